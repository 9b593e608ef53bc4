/**
 * The artifact for a machine that is set up by hand (infra/vagrant/Vagrantfile). Its guest is Linux
 * whatever this host is, so it needs Linux's native libSQL and Linux's Node: npm packages, both, which
 * the lock file pins. What is not installed here is fetched by npm and held against the lock's hash.
 *
 *     npm run guest               for a guest of this host's processor
 *     npm run guest -- arm64      or x64
 *
 *   dist/guest/linux-x64/workload/    dist/guest/linux-x64/node
 *   dist/guest/packages/              what was fetched
 */
import { type ExecFileSyncOptions, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildWorkload } from './build-workload.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

export const GUEST_PROCESSORS = ['x64', 'arm64'] as const;
export type GuestProcessor = (typeof GUEST_PROCESSORS)[number];

/** What the guest needs beside the bundle: Debian's C library is glibc. */
export function guestPackages(processor: GuestProcessor): { node: string; libsql: string } {
  return { node: `node-linux-${processor}`, libsql: `@libsql/linux-${processor}-gnu` };
}

export interface LockedPackage {
  name: string;
  version: string;
  /** `sha512-…`, as npm writes it. */
  integrity: string;
}

/** Pure. Throws where the lock file does not pin it. */
export function lockedPackage(
  lock: { packages: Record<string, { version?: string; integrity?: string }> },
  name: string,
): LockedPackage {
  const { version, integrity } = lock.packages[`node_modules/${name}`] ?? {};
  if (version === undefined || !/^sha512-/.test(integrity ?? '')) {
    throw new Error(`package-lock.json pins no ${name}: \`npm install\` where it can be had`);
  }
  return { name, version, integrity: integrity! };
}

/** Downloads `name@version` as a tarball into `folder`; replaced in tests. */
export type Pack = (spec: string, folder: string) => void;

const npmPack: Pack = (spec, folder) => {
  // npm's own program, as `npm run` names it: Windows cannot start npm.cmd without a shell
  const npm = process.env['npm_execpath'];
  const args = ['pack', spec, '--silent', '--pack-destination', folder];
  const options: ExecFileSyncOptions = { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] };
  if (npm === undefined) execFileSync('npm', args, options);
  else execFileSync(process.execPath, [npm, ...args], options);
};

/**
 * The package unpacked below `folder`/node_modules, fetched where it is not there yet. Throws where
 * its bytes are not those that the lock file pins.
 */
export function fetchPackage(
  { name, version, integrity }: LockedPackage,
  folder: string,
  pack: Pack = npmPack,
): string {
  const place = join(folder, 'node_modules', ...name.split('/'));
  if (versionIn(place) === version) return place;
  mkdirSync(folder, { recursive: true });
  const work = mkdtempSync(join(folder, 'fetching-'));
  try {
    pack(`${name}@${version}`, work);
    const file = readdirSync(work).find((each) => each.endsWith('.tgz'));
    if (file === undefined) throw new Error(`npm fetched no ${name}@${version}`);
    const found = createHash('sha512')
      .update(readFileSync(join(work, file)))
      .digest('base64');
    if (`sha512-${found}` !== integrity) {
      throw new Error(`${name}@${version} is not what package-lock.json pins: sha512-${found}`);
    }
    mkdirSync(join(work, 'unpacked'));
    // by relative names: Windows' tar takes C:\ for the name of a host
    execFileSync('tar', ['-xzf', file, '-C', 'unpacked', '--strip-components=1'], { cwd: work });
    rmSync(place, { recursive: true, force: true });
    mkdirSync(dirname(place), { recursive: true });
    renameSync(join(work, 'unpacked'), place);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return place;
}

/** As npm has installed it in this checkout, else fetched. */
function packageFolder(wanted: LockedPackage, packages: string): string {
  const installed = join(root, 'node_modules', ...wanted.name.split('/'));
  return versionIn(installed) === wanted.version ? installed : fetchPackage(wanted, packages);
}

function versionIn(folder: string): string | null {
  const manifest = join(folder, 'package.json');
  if (!existsSync(manifest)) return null;
  return (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version;
}

/** Makes the artifact of one guest in `out`; returns its folder. */
export async function buildGuest(
  processor: GuestProcessor,
  out = join(root, 'dist', 'guest'),
): Promise<string> {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  const packages = join(out, 'packages');
  const names = guestPackages(processor);
  const node = packageFolder(lockedPackage(lock, names.node), packages);
  const libsql = packageFolder(lockedPackage(lock, names.libsql), packages);
  const folder = join(out, `linux-${processor}`);
  mkdirSync(folder, { recursive: true });
  await buildWorkload({
    outFolder: join(folder, 'workload'),
    nativeTargets: [names.libsql.replace('@libsql/', '')],
    nativeFolder: libsql.startsWith(packages) ? packages : root,
  });
  const binary = join(folder, 'node');
  rmSync(binary, { force: true });
  copyFileSync(join(node, 'bin', 'node'), binary);
  chmodSync(binary, 0o755);
  return folder;
}

if (process.argv[1] !== undefined && fileURLToPath(import.meta.url) === process.argv[1]) {
  const asked = process.argv[2] ?? process.arch;
  const processor = GUEST_PROCESSORS.find((each) => each === asked);
  if (processor === undefined) {
    console.error(`usage: npm run guest -- ${GUEST_PROCESSORS.join('|')}   (not ${asked})`);
    process.exitCode = 2;
  } else {
    console.log(`written: ${relative(process.cwd(), await buildGuest(processor))}`);
  }
}
