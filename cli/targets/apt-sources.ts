/**
 * The distribution's own package sources of this host, as one-line entries: what a base image or a
 * guest is built from. So a host behind a mirror or a proxy builds from that mirror too. Entries of
 * third parties are left out.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Distribution {
  /** 'debian', 'ubuntu' or what else os-release says. */
  id: string;
  /** E.g. 'bookworm'; null where os-release has none. */
  codename: string | null;
}

/** From /etc/os-release. Pure. */
export function parseOsRelease(text: string): Distribution {
  const value = (name: string) =>
    new RegExp(`^${name}="?([^"\\n]*)"?$`, 'm').exec(text)?.[1]?.trim() || null;
  return { id: value('ID') ?? 'unknown', codename: value('VERSION_CODENAME') };
}

/** null where this is no Debian or Ubuntu with a code name and sources of its own. */
export function hostAptSources(root = '/'): { codename: string; lines: string[] } | null {
  const { id, codename } = parseOsRelease(textOrEmpty(join(root, 'etc/os-release')));
  if (codename === null || (id !== 'debian' && id !== 'ubuntu')) return null;
  const folder = join(root, 'etc/apt');
  const lines = parseOneLine(textOrEmpty(join(folder, 'sources.list')), codename);
  for (const name of namesIn(join(folder, 'sources.list.d'))) {
    const text = textOrEmpty(join(folder, 'sources.list.d', name));
    if (name.endsWith('.list')) lines.push(...parseOneLine(text, codename));
    if (name.endsWith('.sources')) lines.push(...parseDeb822(text, codename));
  }
  const unique = [...new Set(lines)];
  return unique.length === 0 ? null : { codename, lines: unique };
}

/** `deb [signed-by=…] http://… bookworm main contrib`. Pure. */
export function parseOneLine(text: string, codename: string): string[] {
  return text.split('\n').flatMap((line) => {
    const match = /^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s+([^#]+)/.exec(line);
    if (!match) return [];
    const [, options = '', uri, suite, components] = match;
    const signedBy = /signed-by=(\S+)/.exec(options)?.[1];
    return entry(signedBy, uri!, suite!, components!.trim().split(/\s+/), codename);
  });
}

/** Stanzas of `Field: value`, several URIs and suites in one. Pure. */
export function parseDeb822(text: string, codename: string): string[] {
  return text.split(/\n\s*\n/).flatMap((stanza) => {
    const fields = new Map<string, string>();
    for (const line of stanza.split('\n')) {
      const match = /^([A-Za-z-]+):\s*(.*)$/.exec(line);
      if (match) fields.set(match[1]!.toLowerCase(), match[2]!.trim());
    }
    const words = (name: string) => (fields.get(name) ?? '').split(/\s+/).filter(Boolean);
    if (!words('types').includes('deb') || fields.get('enabled')?.toLowerCase() === 'no') return [];
    // an inline key ("Signed-By:" and then a block) cannot stand on one line: the default keyring
    const signedBy = fields.get('signed-by')?.startsWith('/') ? fields.get('signed-by') : undefined;
    return words('uris').flatMap((uri) =>
      words('suites').flatMap((suite) =>
        entry(signedBy, uri, suite, words('components'), codename),
      ),
    );
  });
}

function entry(
  signedBy: string | undefined,
  uri: string,
  suite: string,
  components: string[],
  codename: string,
): string[] {
  const own = [codename, `${codename}-updates`, `${codename}-security`].includes(suite);
  // other vendors use the bare code name as well, but never with the component "main"
  if (!own || !components.includes('main') || !/^(https?|file|mirror\+\S+):/.test(uri)) return [];
  return [`deb ${signedBy ? `[signed-by=${signedBy}] ` : ''}${uri} ${suite} main`];
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}

function textOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
