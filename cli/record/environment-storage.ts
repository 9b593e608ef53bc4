/** On what file systems and devices the measured files are. */
import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { cacheFolder, resultsFolder, stateFolder } from '../host/paths.ts';
import { read } from './environment-files.ts';
import type { DockerInfo } from './environment-programs.ts';
import { isUnavailable, type Measured, unavailable } from './measured.ts';

export interface StorageDescription {
  /** `results`, `state`, `cache`, `docker`. No paths: they are the user's. */
  use: string;
  fileSystem: string;
  device: string;
  rotational: Measured<boolean>;
}

/** `engine`: for the folder of its images and volumes. */
export function describeStorage(engine: Measured<DockerInfo>): StorageDescription[] {
  const mounts = read('/proc/self/mountinfo');
  if (mounts === undefined) return [];
  const places: Array<[use: string, path: string | undefined]> = [
    ['results', resultsFolder()],
    ['state', stateFolder()],
    ['cache', cacheFolder()],
    ['docker', isUnavailable(engine) ? undefined : engine.DockerRootDir],
  ];
  return places.flatMap(([use, path]) => {
    const mount = path === undefined ? undefined : mountOf(existing(path), mounts);
    return mount === undefined ? [] : [{ use, ...mount }];
  });
}

/** The path itself, or its nearest parent that exists: a results folder may not be there yet. */
function existing(path: string): string {
  let at = resolve(path);
  while (!existsSync(at)) at = dirname(at);
  return at;
}

/** The mount that holds `path`: the last one of the longest mount point above it. */
export function mountOf(
  path: string,
  mountinfo: string,
): Omit<StorageDescription, 'use'> | undefined {
  let best: { point: string; type: string; source: string; number: string } | undefined;
  for (const line of mountinfo.split('\n')) {
    const [left, right] = line.split(' - ');
    if (left === undefined || right === undefined) continue;
    const fields = left.split(' ');
    const point = fields[4]!.replace(/\\(\d{3})/g, (_, octal: string) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    );
    const above = point === '/' || path === point || path.startsWith(`${point}/`);
    if (!above || point.length < (best?.point.length ?? 0)) continue;
    const [type, source] = right.split(' ');
    best = { point, type: type!, source: source!, number: fields[2]! };
  }
  if (best === undefined) return undefined;
  return {
    fileSystem: best.type,
    device: best.source.replace(/\[.*\]$/, ''),
    rotational: rotational(best.number),
  };
}

/** A partition has no queue of its own: its disk, one folder up in sysfs, has. */
function rotational(number: string): Measured<boolean> {
  for (const place of ['queue', '../queue']) {
    const text = read(`/sys/dev/block/${number}/${place}/rotational`)?.trim();
    if (text !== undefined) return text === '1';
  }
  return unavailable('not a block device');
}
