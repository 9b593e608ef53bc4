/**
 * A known consumer for the meters' truth tests: over HTTP it is told what to use, and it answers with
 * what it used by its own account (getrusage), an instrument that the meters do not read. Plain
 * JavaScript without dependencies: the same file runs bare, in a container and in a guest.
 *
 *   /touch?bytes=N            hold N bytes, every page written
 *   /free                     let them go
 *   /burn?ms=N                use N ms of CPU
 *   /write?bytes=N&sync=0|1   write a file of N bytes in the folder of argv[3]
 *   /send?bytes=N             answer with N bytes
 *   POST /receive             take what comes
 *   /sync                     have the kernel write back (in a guest)
 *   /proc                     /proc/meminfo and /proc/net/dev, as the kernel that it runs on says
 */
import { execFileSync } from 'node:child_process';
import { closeSync, fsyncSync, openSync, readFileSync, unlinkSync, writeSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

// Without it, what earlier requests left behind is let go in the middle of a measurement.
setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc');

const [port, folder] = process.argv.slice(2);
const PAGE = 4096;
let held = [];
let files = 0;

const cpuMs = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

/** By name; a caller in the same process may add its own. */
export const actions = {
  touch({ bytes }) {
    const block = Buffer.allocUnsafeSlow(bytes);
    for (let at = 0; at < bytes; at += PAGE) block[at] = 1;
    held.push(block);
  },
  free() {
    held = [];
    collectGarbage();
  },
  burn({ ms }) {
    const until = cpuMs() + ms;
    let x = 1;
    while (cpuMs() < until) for (let i = 0; i < 1e5; i++) x = (x * 31 + i) | 0;
    return { x };
  },
  write({ bytes, sync }) {
    const chunk = Buffer.alloc(1 << 20, 7);
    const path = join(folder, `consumer-${files++}`);
    const file = openSync(path, 'w');
    let left = bytes;
    while (left > 0) left -= writeSync(file, chunk, 0, Math.min(left, chunk.length));
    if (sync) fsyncSync(file);
    closeSync(file);
    return { path };
  },
  sync() {
    execFileSync('sync');
  },
  proc() {
    return {
      meminfo: readFileSync('/proc/meminfo', 'latin1'),
      networkDevices: readFileSync('/proc/net/dev', 'latin1'),
    };
  },
  unlink() {
    while (files > 0) unlinkSync(join(folder, `consumer-${--files}`));
  },
};

createServer(async (request, response) => {
  const url = new URL(request.url, 'http://consumer');
  const name = url.pathname.slice(1);
  const arguments_ = Object.fromEntries(
    [...url.searchParams].map(([key, value]) => [key, Number(value)]),
  );
  const before = cpuMs();
  if (name === 'send') {
    response.setHeader('content-length', arguments_.bytes);
    const chunk = Buffer.alloc(1 << 16, 7);
    for (let left = arguments_.bytes; left > 0; left -= chunk.length) {
      if (!response.write(chunk.subarray(0, Math.min(left, chunk.length))))
        await new Promise((resolve) => response.once('drain', resolve));
    }
    return response.end();
  }
  let received = 0;
  for await (const piece of request) received += piece.length;
  const answer = (await actions[name]?.(arguments_)) ?? {};
  response.end(JSON.stringify({ ...answer, received, cpuMs: cpuMs() - before, pid: process.pid }));
}).listen(Number(port), '0.0.0.0', function listening() {
  console.log(JSON.stringify({ port: this.address().port, pid: process.pid }));
});
