/**
 * `{{name}}` templates of a scenario. `{{json:name}}` escapes for the inside of a JSON string,
 * `{{form:name}}` for a form or query value; plain `{{name}}` stands as it is. Pure.
 */
export type Variables = ReadonlyMap<string, string>;

interface Slot {
  name: string;
  filter: 'json' | 'form' | null;
}

export interface Template {
  /** Names that it uses, each once. */
  readonly names: readonly string[];
  render(lookup: (name: string) => string): string;
}

const SLOT = /\{\{\s*(?:(json|form):)?([a-zA-Z_][\w-]*)\s*\}\}/g;

export function parseTemplate(text: string): Template {
  const literals: string[] = [];
  const slots: Slot[] = [];
  let at = 0;
  for (const match of text.matchAll(SLOT)) {
    literals.push(text.slice(at, match.index));
    slots.push({ filter: (match[1] ?? null) as Slot['filter'], name: match[2]! });
    at = match.index + match[0].length;
  }
  literals.push(text.slice(at));
  return {
    names: [...new Set(slots.map((slot) => slot.name))],
    render(lookup) {
      let result = literals[0]!;
      for (let i = 0; i < slots.length; i++) {
        const { name, filter } = slots[i]!;
        const value = lookup(name);
        if (filter === 'json') result += JSON.stringify(value).slice(1, -1);
        else if (filter === 'form') result += encodeURIComponent(value);
        else result += value;
        result += literals[i + 1]!;
      }
      return result;
    },
  };
}
