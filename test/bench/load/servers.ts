/** The servers that are loaded, each pinned, each with a request counter of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { nodeBinary, readArtifact } from '../../../cli/targets/artifact.ts';

export interface Server {
  name: string;
  url: string;
  /** Requests that it has answered so far, by its own count. */
  count(): Promise<number>;
  stop(): Promise<void>;
}

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function stopChild(child: ChildProcess, folder: string): Promise<void> {
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  if (child.exitCode === null && child.signalCode === null) await exited;
  rmSync(folder, { recursive: true });
}

/** Debian's nginx, one worker, a page of 612 bytes; null where it is not installed. */
export async function startNginx(cpu: number): Promise<Server | null> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-nginx-'));
  chmodSync(folder, 0o755);
  const port = await freePort();
  writeFileSync(join(folder, 'index.html'), 'x'.repeat(612));
  writeFileSync(
    join(folder, 'nginx.conf'),
    `daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/error.log;
     events { worker_connections 1024; }
     http {
       access_log off; keepalive_requests 1000000000; client_body_temp_path ${folder};
       server {
         listen 127.0.0.1:${port}; root ${folder};
         location = /count { stub_status; }
       }
     }`,
  );
  const child = spawn('taskset', ['-c', String(cpu), 'nginx', '-c', join(folder, 'nginx.conf')], {
    stdio: 'ignore',
  });
  const url = `http://127.0.0.1:${port}/`;
  const count = async () => {
    const text = await (await fetch(`${url}count`)).text();
    return Number(/requests\n\s*\d+ \d+ (\d+)/.exec(text)?.[1]);
  };
  for (let tries = 0; tries < 200; tries++) {
    if (child.exitCode !== null) break;
    try {
      await count();
      return { name: 'nginx', url, count, stop: () => stopChild(child, folder) };
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }
  await stopChild(child, folder);
  return null;
}

/** The scratch pad as built, its index page. */
export async function startScratchPad(cpu: number): Promise<Server> {
  const { folder, entry } = readArtifact();
  const data = mkdtempSync(join(tmpdir(), 'bench-pad-'));
  const node = (await nodeBinary()).path;
  const child = spawn('taskset', ['-c', String(cpu), node, join(folder, entry)], {
    env: {
      ...process.env,
      SCRATCHPAD_PORT: '0',
      SCRATCHPAD_SEED: '1',
      SCRATCHPAD_DB_URL: `file:${join(data, 'posts.db')}`,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  const { url } = JSON.parse(line) as { url: string };
  return {
    name: 'scratch pad',
    url,
    count: async () =>
      ((await (await fetch(`${url}readyz`)).json()) as { handled: number }).handled,
    stop: () => stopChild(child, data),
  };
}
