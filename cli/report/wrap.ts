/** Breaks at spaces; a word longer than the width is cut into lines. */
export function wrapText(text: string, width: number, indent: string): string {
  const room = width - indent.length;
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/)) {
    for (let rest = word; rest !== ''; ) {
      const gap = line === '' ? '' : ' ';
      if (line.length + gap.length + rest.length <= room) {
        line += gap + rest;
        break;
      }
      if (line !== '') {
        lines.push(line);
        line = '';
        continue;
      }
      lines.push(rest.slice(0, room));
      rest = rest.slice(room);
    }
  }
  if (line !== '') lines.push(line);
  return lines.join(`\n${indent}`);
}
