/** Where the known consumer runs for a truth test: each gives its URL and what to meter. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { nodeBinary } from '../../cli/targets/artifact.ts';
import { createCgroup, procsFiles, removeCgroup } from '../../cli/targets/bare/cgroup.ts';

export const CONSUMER = fileURLToPath(new URL('meters-consumer.mjs', import.meta.url));

/** A folder on the file system of the working folder: /tmp may be a tmpfs, which has no device. */
export function folderOnDisk(t: TestContext): string {
  const folder = mkdtempSync(join(process.cwd(), '.meters-truth-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/**
 * The consumer as a child that joins `join` (cgroup.procs files) before exec. `under`: a program and
 * its arguments that runs it, e.g. `/usr/bin/time -v`; it is then what `child` is.
 */
export async function startBare(
  t: TestContext,
  folder: string,
  join_: string[] = [],
  under: string[] = [],
): Promise<{ url: string; pid: number; child: ChildProcess }> {
  const joining = join_.map((file) => `echo $$ > '${file}'`).join(' && ');
  const { path } = await nodeBinary();
  const child = spawn(
    'sh',
    ['-c', `${joining || ':'} && exec "$@"`, 'sh', ...under, path, CONSUMER, '0', folder],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  t.after(async () => {
    child.kill('SIGKILL');
    await gone;
  });
  const { port, pid } = await firstLine(child);
  return { url: `http://127.0.0.1:${port}/`, pid, child };
}

/** The same in a cgroup of its own, v1 or v2 as the host has it. */
export async function startInCgroup(
  t: TestContext,
  folder: string,
  cpus = 1,
  under: string[] = [],
) {
  const name = `test-meters-${process.pid}-${Date.now()}`;
  const cgroup = createCgroup(name, { profile: 'custom', cpus, memoryBytes: 2 ** 30 }, null);
  if ('reason' in cgroup) throw new Error(cgroup.reason);
  const bare = await startBare(t, folder, procsFiles(cgroup), under);
  t.after(() => removeCgroup(name)); // after hooks run in order: the child has ended by then
  return { ...bare, cgroup };
}

function firstLine(child: ChildProcess): Promise<{ port: number; pid: number }> {
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the consumer ended with ${code}`)));
    createInterface({ input: child.stdout! }).once('line', (line) => resolve(JSON.parse(line)));
  });
}

/** An image with nothing but Node, its libraries and the consumer: no registry is asked. */
export async function importImage(t: TestContext): Promise<string> {
  const image = `scratchpad-test-meters:${process.pid}`;
  const root = mkdtempSync(join(tmpdir(), 'scratchpad-meters-image-'));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  const { path } = await nodeBinary();
  const copy = (from: string, to: string) => {
    mkdirSync(dirname(join(root, to)), { recursive: true });
    cpSync(realpathSync(from), join(root, to));
  };
  copy(path, '/bin/node');
  copy(CONSUMER, '/consumer.mjs');
  for (const [library] of execFileSync('ldd', [path], { encoding: 'utf8' }).matchAll(/\/[^ )]+/g))
    copy(library, library);
  mkdirSync(join(root, 'data'));
  const tar = spawn('tar', ['-C', root, '-c', '.'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const imported = spawn(
    'docker',
    [
      'import',
      ...['--change', 'ENTRYPOINT ["/bin/node","/consumer.mjs","5001","/data"]'],
      ...['--change', 'LABEL scratchpad.test=meters', '-', image],
    ],
    { stdio: [tar.stdout, 'ignore', 'inherit'] },
  );
  const code = await new Promise((resolve) => imported.once('exit', resolve));
  if (code !== 0) throw new Error(`docker import ended with ${code}`);
  t.after(() => spawnSync('docker', ['rmi', '--force', image]));
  return image;
}

/** A fresh container of the image, with a volume for what it writes. */
export async function startContainer(t: TestContext, image: string) {
  const docker = (...args: string[]) => execFileSync('docker', args, { encoding: 'utf8' }).trim();
  const id = docker(
    ...['run', '--detach', '--volume', '/data', '--publish', '127.0.0.1::5001'],
    ...['--cpus', '1', '--memory', '1g', image],
  );
  t.after(() => docker('rm', '--force', '--volumes', id));
  // Its first line says that it listens; `docker logs --follow` ends the wait without polling.
  const logs = spawn('docker', ['logs', '--follow', id], { stdio: ['ignore', 'pipe', 'inherit'] });
  await firstLine(logs);
  logs.kill();
  const port = docker('port', id, '5001').split('\n')[0]!.split(':').at(-1);
  return { id, url: `http://127.0.0.1:${port}/` };
}
