/** As much of Markdown as the tests of our documents need. */

/** Without blocks of code, fenced or indented. */
function withoutBlocks(text: string): string {
  let inList = false;
  let inCode = false;
  let afterBlank = true;
  const kept: string[] = [];
  for (const line of text.replace(/^(`{3,})[^\n]*\n[\s\S]*?^\1\s*$/gm, '').split('\n')) {
    const blank = line.trim() === '';
    const indented = /^( {4}|\t)/.test(line);
    if (!blank && !indented)
      inList = /^\s*([-*+]|\d+\.)\s/.test(line) || (inList && /^\s/.test(line));
    // inside a list an indented line goes on with its item
    inCode = indented && !inList && (inCode || afterBlank);
    if (!inCode) kept.push(line);
    afterBlank = blank;
  }
  return kept.join('\n');
}

/** Without any code. */
export function proseOf(text: string): string {
  return withoutBlocks(text).replace(/`[^`\n]*`/g, '');
}

/** Targets of links and pictures: inline, in angle brackets, by reference. */
export function linksOf(text: string): string[] {
  const prose = proseOf(text);
  const found: Array<{ at: number; target: string }> = [];
  for (const pattern of [
    /\]\((?:<([^>]*)>|([^\s)]+))(?:\s+"[^"]*")?\)/g,
    /<(https?:[^\s>]+)>/g,
    /^\[[^\]]+\]:\s+(\S+)/gm,
  ]) {
    for (const match of prose.matchAll(pattern)) {
      found.push({ at: match.index, target: (match[1] ?? match[2])! });
    }
  }
  return found.sort((a, b) => a.at - b.at).map(({ target }) => target);
}

/** Anchors of the headings, as GitHub makes them. */
export function anchorsOf(text: string): string[] {
  const seen = new Map<string, number>();
  return [...withoutBlocks(text).matchAll(/^#{1,6}\s+(.*?)\s*#*$/gm)].map(([, heading]) => {
    const base = heading!
      .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\p{M}\s_-]/gu, '')
      .replace(/\s/g, '-');
    const count = seen.get(base) ?? 0;
    seen.set(base, count + 1);
    return count === 0 ? base : `${base}-${count}`;
  });
}

export interface Example {
  command: string;
  /** The lines below it; `…` stands for anything. */
  output: string[];
}

/** The examples of ```console blocks: a line with `$ ` and what it prints. */
export function examplesOf(text: string): Example[] {
  return [...text.matchAll(/^```console\n\$ ([^\n]*)\n([\s\S]*?)^```/gm)].map(
    ([, command, output]) => ({
      command: command!,
      output: output!.split('\n').filter((line) => line !== ''),
    }),
  );
}
