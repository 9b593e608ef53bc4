/** The parts of README.md that are made from something else: between markers, never by hand. */

/** @throws Error where the markers of `name` are not there, in order, once */
export function replaceSection(readme: string, name: string, body: string): string {
  const { begin, end } = markersOf(name);
  const parts = readme.split(begin);
  const rest = parts[1]?.split(end);
  if (parts.length !== 2 || rest?.length !== 2) {
    throw new Error(`README.md needs one ${begin} with one ${end} after it`);
  }
  return `${parts[0]}${begin}\n\n${body}\n\n${end}${rest[1]}`;
}

function markersOf(name: string): { begin: string; end: string } {
  return {
    begin: `<!-- ${name}: made by \`npm run results\` -->`,
    end: `<!-- end of ${name} -->`,
  };
}

export interface Manifest {
  commands: Record<
    string,
    {
      summary?: string;
      args?: Record<string, { name: string; required?: boolean }>;
      strict?: boolean;
    }
  >;
}

/** In the order in which data flows. */
const ORDER = ['doctor', 'deploy', 'probe', 'load', 'compare', 'bench', 'report', 'status', 'down'];

/** The table of commands, from oclif's manifest; commands that ORDER does not know come last. */
export function commandTable({ commands }: Manifest): string {
  const place = (name: string) => {
    const index = ORDER.indexOf(name.split(':')[0]!);
    return index === -1 ? ORDER.length : index;
  };
  const rows = Object.entries(commands)
    .sort(([a], [b]) => place(a) - place(b) || a.localeCompare(b))
    .map(([id, { summary = '', args = {} }]) => {
      const words = Object.values(args).map(({ name, required }) =>
        required ? `<${name}>` : `[${name}]`,
      );
      const usage = ['scratchpad', ...id.split(':'), ...words].join(' ');
      return `| \`${usage}\` | ${summary.replace(/\|/g, '\\|')} |`;
    });
  return ['| command | does |', '| --- | --- |', ...rows].join('\n');
}
