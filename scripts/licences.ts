/** The notices that the licences of bundled packages ask for, in one text. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * `inputs`: files that a bundle was made of, as esbuild's metafile names them, relative to `root`.
 * `notices`: NOTICE files and further licences as well; the workload's packages have none, and its
 * artifact is compared by its bytes.
 */
export function licences(
  root: string,
  inputs: Iterable<string>,
  { notices }: { notices: boolean },
): string {
  const folders = new Set<string>();
  for (const input of inputs) {
    const match = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(
      input.replace('(disabled):', '').replaceAll('\\', '/'),
    );
    if (match) folders.add(match[1]!);
  }
  const parts = [...folders].sort().map((folder) => {
    const at = join(root, folder);
    const manifest = JSON.parse(readFileSync(join(at, 'package.json'), 'utf8')) as {
      name: string;
      version: string;
      license?: string;
      /** Of old packages. */
      licenses?: Array<{ type: string }>;
    };
    const license = manifest.license ?? manifest.licenses?.map(({ type }) => type).join(' or ');
    const wanted = notices ? /^(licen[cs]e|copying|notice)/i : /^(licen[cs]e|copying)/i;
    const files = readdirSync(at, { withFileTypes: true })
      .filter((entry) => entry.isFile() && wanted.test(entry.name))
      .map(({ name }) => name)
      .sort()
      .slice(0, notices ? undefined : 1);
    const texts = files.map((file) => readFileSync(join(at, file), 'utf8').trim());
    const text =
      texts.join(`\n${'-'.repeat(72)}\n`) ||
      `(The package has no licence file; its manifest says ${license ?? 'nothing'}.)`;
    return `${manifest.name} ${manifest.version} (${license ?? 'unknown'})\n${'-'.repeat(72)}\n${text}\n`;
  });
  return `This program contains the packages below.\n\n${parts.join('\n\n')}`;
}
