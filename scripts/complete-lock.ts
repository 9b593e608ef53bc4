/**
 * Completes package-lock.json after an `npm install` against a registry that lacks some packages of
 * other platforms: npm leaves those out of the lock file, and `npm ci` then refuses the lock file
 * everywhere. Each missing optional package is named with its version and the platform that its
 * name tells, so that npm passes over it here and installs it there. Idempotent.
 *
 *     npm run lock
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

interface LockEntry {
  version?: string;
  dev?: boolean;
  optional?: boolean;
  os?: string[];
  cpu?: string[];
  libc?: string[];
  optionalDependencies?: Record<string, string>;
}

export interface Lock {
  packages: Record<string, LockEntry>;
}

const OS = ['android', 'darwin', 'freebsd', 'linux', 'netbsd', 'openbsd', 'sunos', 'win32', 'aix'];
const CPU = ['arm64', 'arm', 'ia32', 'x64', 'ppc64', 'riscv64', 's390x', 'loong64', 'mips64el'];
const LIBC: Record<string, string> = { musl: 'musl', glibc: 'glibc', gnu: 'glibc' };

/** Optional packages that the lock file names nowhere, with what the lock file should say of them. */
export function missingOptional({ packages }: Lock): Record<string, LockEntry> {
  const missing: Record<string, LockEntry> = {};
  for (const [path, entry] of Object.entries(packages)) {
    if (path === '') continue;
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      const isThere = [`${path}/node_modules/${name}`, `node_modules/${name}`].some(
        (place) => place in packages,
      );
      const words = name.split('/').at(-1)!.split('-');
      const os = words.find((word) => OS.includes(word));
      // Only packages of one platform: another optional package that is missing is a real fault.
      if (isThere || os === undefined || !/^\d+\.\d+\.\d+/.test(version)) continue;
      const cpu = words.find((word) => CPU.includes(word));
      const libc = words.map((word) => LIBC[word]).find(Boolean);
      missing[`node_modules/${name}`] = {
        version,
        ...(cpu ? { cpu: [cpu] } : {}),
        ...(entry.dev ? { dev: true } : {}),
        optional: true,
        os: [os],
        ...(libc ? { libc: [libc] } : {}),
      };
    }
  }
  return missing;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const file = join(dirname(fileURLToPath(import.meta.url)), '..', 'package-lock.json');
  const lock = JSON.parse(readFileSync(file, 'utf8')) as Lock;
  const added = missingOptional(lock);
  const root = lock.packages[''];
  const rest = Object.entries({ ...lock.packages, ...added })
    .filter(([path]) => path !== '')
    .sort(([a], [b]) => (a < b ? -1 : 1));
  lock.packages = { ...(root ? { '': root } : {}), ...Object.fromEntries(rest) };
  writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
  console.log(`${Object.keys(added).length} packages of other platforms added to the lock file`);
}
