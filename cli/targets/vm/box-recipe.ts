/**
 * What a box is made of, as data: distribution, packages, kernel, the guest's own files. Its hash
 * names the box in the cache, so a change of any input makes another box. Versions of packages are
 * those of the day on which it is built; the box's own SHA-256 and its kernel are in box.json.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { hostAptSources } from '../apt-sources.ts';
import type { GuestArchitecture } from './host.ts';
import { type TreeSource, treeSource } from './tree-source.ts';

/** Raised by hand when the code that builds changes in a way that no hashed input shows. */
const RECIPE_VERSION = 1;

/**
 * Extracted, not installed: no maintainer script runs, so no Perl and no dpkg come along and the
 * build needs half a minute instead of two; make-disk.sh writes the few files that they would have.
 */
const PACKAGES = [
  'base-files',
  'bash',
  'busybox-static',
  'coreutils',
  'dash',
  'dropbear-bin',
  'grep',
  'libgcc-s1',
  'libstdc++6',
  'mount',
  'sed',
  'systemd',
  'systemd-sysv',
];

/** Modules of the guest's kernel; what it has built in is passed over. */
export const KERNEL_MODULES = [
  'virtio_pci',
  'virtio_mmio',
  'virtio_blk',
  'virtio_net',
  'virtio_balloon',
  'virtio_rng',
];

/** The root disk as the guest sees it: sparse on the host. The database grows in it. */
export const ROOT_DISK_SIZE = '2G';
/** Times of files in the image: fixed, so that the same packages give the same bytes. */
export const SOURCE_DATE_EPOCH = '1700000000';

export interface BoxRecipe {
  /** 'debian' or 'ubuntu', of the guest. */
  distribution: string;
  codename: string;
  architecture: GuestArchitecture;
  /** One-line apt sources; empty: mmdebstrap's default for the code name. */
  sources: string[];
  packages: readonly string[];
  /** Meta package of the kernel. */
  kernel: string;
  /** An archive made elsewhere, in place of packages; then `sources` and `packages` say nothing. */
  tree: TreeSource | null;
  /** SHA-256 over all of the above and how it is fetched. */
  packagesKey: string;
  /** SHA-256 over all of the above and the files of infra/vm. */
  key: string;
}

/**
 * The guest is the host's own release where that is a Debian or an Ubuntu (its packages are surely
 * reachable); anywhere else Debian 12.
 */
export function boxRecipe(
  architecture: GuestArchitecture,
  infra: string,
  host = hostAptSources(),
  tree = treeSource(),
): BoxRecipe {
  const isUbuntu = host?.lines.some((line) => /ubuntu/.test(line)) ?? false;
  const parts = {
    distribution: isUbuntu ? 'ubuntu' : 'debian',
    codename: host?.codename ?? 'bookworm',
    architecture,
    sources: host?.lines ?? [],
    packages: PACKAGES,
    kernel: isUbuntu ? 'linux-image-virtual' : `linux-image-cloud-${architecture}`,
  };
  const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
  const fetching = readFileSync(join(infra, 'download-kernel.sh'), 'utf8');
  const packagesKey =
    tree?.sha256 ?? sha256(JSON.stringify([RECIPE_VERSION, parts, SOURCE_DATE_EPOCH, fetching]));
  const inputs = JSON.stringify([packagesKey, KERNEL_MODULES, ROOT_DISK_SIZE, hashFolder(infra)]);
  return { ...parts, tree, packagesKey, key: sha256(inputs) };
}

/** SHA-256 over path, mode and content of every file below `folder`. */
function hashFolder(folder: string): string {
  const hash = createHash('sha256');
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  for (const file of files) {
    const executable = (statSync(file).mode & 0o100) !== 0;
    hash.update(`${relative(folder, file)}\0${executable}\0`);
    hash.update(createHash('sha256').update(readFileSync(file)).digest());
  }
  return hash.digest('hex');
}
