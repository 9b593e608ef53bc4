/** The built server as a process: start, refusal to start, drain, durability. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, type TestContext, test } from 'node:test';
import { buildWorkload } from '../../scripts/build-workload.ts';
import { drains } from '../contract/drain.ts';
import { exchange, statusesOf } from '../contract/raw.ts';
import { root, startServer } from '../contract/server.ts';

before(async () => {
  if (!existsSync(join(root, 'dist', 'workload', 'artifact.json'))) await buildWorkload();
});

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'scratchpad-server-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** Runs the server until it ends by itself. */
function run(env: Record<string, string>, cwd: string) {
  const result = spawnSync(process.execPath, [join(root, 'dist/workload/server.mjs')], {
    env: { PATH: process.env['PATH'], ...env },
    cwd,
    encoding: 'utf8',
    timeout: 30_000,
  });
  return { ...result, failure: JSON.parse(result.stderr) as Record<string, unknown> };
}

const post = (url: string, title: string) =>
  fetch(new URL('/api/posts', url), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ title }),
  });

const residentMb = (pid: number): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024;

test('two builds of one tree are the same artifact, and nothing of this machine is in it', async (t) => {
  const out = folder(t);
  const [one, two] = [
    await buildWorkload({ outFolder: join(out, 'one') }),
    await buildWorkload({ outFolder: join(out, 'two') }),
  ];
  assert.equal(one.sha256, two.sha256);
  const text = readFileSync(join(one.folder, 'server.mjs'), 'utf8');
  assert.ok(!text.includes(root.replace(/\/$/, '')));
  assert.match(
    readFileSync(join(one.folder, 'THIRD_PARTY_LICENSES.txt'), 'utf8'),
    /^hono .*\(MIT\)/m,
  );
});

test('migrate is a step of its own: it brings the schema up, says so and ends', (t) => {
  const cwd = folder(t);
  const migrate = () =>
    spawnSync(process.execPath, [join(root, 'dist/workload/server.mjs'), 'migrate'], {
      env: { PATH: process.env['PATH'], SCRATCHPAD_DB_URL: `file:${join(cwd, 'posts.db')}` },
      encoding: 'utf8',
      timeout: 30_000,
    });
  for (const time of ['first', 'second']) {
    const { status, stdout, stderr } = migrate();
    assert.equal(status, 0, `${time}: ${stderr}`);
    const { event, schemaVersion } = JSON.parse(stdout) as Record<string, unknown>;
    assert.deepEqual([event, schemaVersion], ['migrated', 1]);
  }
  assert.ok(existsSync(join(cwd, 'posts.db')));
});

test('it starts from a read-only copy, as any user would, with the database elsewhere', async (t) => {
  const out = folder(t);
  const { folder: copy } = await buildWorkload({ outFolder: join(out, 'copy') });
  spawnSync('chmod', ['-R', 'a-w', copy]);
  const server = await startServer({ args: [join(copy, 'server.mjs')] });
  assert.equal((await fetch(server.url)).status, 200);
  assert.equal(await server.stop(), 0);
  spawnSync('chmod', ['-R', 'u+w', copy]);
});

test('a wrong configuration ends it with exit code 2 and every fault', (t) => {
  const { status, stdout, failure } = run(
    { SCRATCHPAD_PORT: 'x', SCRATCHPAD_LOG: 'loud' },
    folder(t),
  );
  assert.equal(status, 2);
  assert.equal(stdout, '');
  assert.equal(failure['code'], 'CONFIG_INVALID');
  assert.equal((failure['faults'] as string[]).length, 2);
});

test('a port in use and a database that cannot be opened end it with exit code 1 and the cause', async (t) => {
  const blocker = createServer().listen(0, '127.0.0.1');
  await once(blocker, 'listening');
  t.after(() => blocker.close());
  const { port } = blocker.address() as { port: number };
  const path = folder(t);
  const used = run({ SCRATCHPAD_PORT: String(port) }, path);
  assert.equal(used.status, 1);
  assert.equal(used.failure['code'], 'EADDRINUSE');
  const nowhere = run(
    { SCRATCHPAD_PORT: '0', SCRATCHPAD_DB_URL: `file:${path}/no/such/folder/x.db` },
    path,
  );
  assert.equal(nowhere.status, 1);
  assert.match(String(nowhere.failure['message']), /unable to open/i);
});

test('instances that start at once on a new file all serve, and it is seeded once', async (t) => {
  const path = folder(t);
  const servers = await Promise.all(
    Array.from({ length: 4 }, () => startServer({ folder: path, env: { SCRATCHPAD_SEED: '1' } })),
  );
  for (const server of servers) {
    const { posts } = (await (await fetch(new URL('/api/posts', server.url))).json()) as {
      posts: Array<{ title: string }>;
    };
    assert.deepEqual(
      posts.map(({ title }) => title),
      ['Second Post', 'First Post'],
    );
  }
  for (const server of servers) assert.equal(await server.stop(), 0);
});

test('two processes that write to one file at the same time never see "database is locked"', async (t) => {
  const path = folder(t);
  const [one, two] = [await startServer({ folder: path }), await startServer({ folder: path })];
  const statuses = await Promise.all(
    Array.from({ length: 300 }, async (_, i) => {
      const reply = await post(i % 2 === 0 ? one.url : two.url, `from ${i % 2}`);
      await reply.arrayBuffer();
      return reply.status;
    }),
  );
  assert.deepEqual([...new Set(statuses)], [201]);
  assert.equal(one.stderr() + two.stderr(), '');
  assert.equal(await one.stop(), 0);
  assert.equal(await two.stop(), 0);
  assert.equal(countPosts(path), 300);
});

drains('the bundle on Node', () => startServer());

test('SIGTERM while a body is on its way: the request is finished and stored, new ones are refused', async (t) => {
  const path = folder(t);
  const server = await startServer({ folder: path });
  const socket = connect(server.port, '127.0.0.1');
  const head =
    'POST /create HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n';
  socket.write(`${head}Content-Length: 10\r\nExpect: 100-continue\r\n\r\n`);
  let text = '';
  socket.setEncoding('utf8').on('data', (data: string) => {
    text += data;
  });
  // "100 Continue" proves that the request is with the server.
  while (!text.includes('100 Continue')) await once(socket, 'data');
  server.process.kill('SIGTERM');
  while ((await fetch(server.url).catch(() => null)) !== null);
  socket.write('title=late');
  await once(socket, 'end');
  assert.match(text, /HTTP\/1\.1 302 Found/);
  assert.match(text, /connection: close/i);
  assert.equal(await server.exited, 0);
  assert.equal(countPosts(path), 1);
  assert.ok(
    !existsSync(join(path, 'test.db-wal')) || statSync(join(path, 'test.db-wal')).size === 0,
  );
});

test('a refusal waits for the answers before it, and what comes behind it is not carried out', async (t) => {
  const path = folder(t);
  const server = await startServer({ folder: path });
  t.after(() => server.process.kill('SIGKILL'));
  const form = 'Content-Type: application/x-www-form-urlencoded\r\n';
  const create = (title: string) =>
    `POST /create HTTP/1.1\r\nHost: x\r\n${form}Content-Length: ${title.length + 6}\r\n\r\ntitle=${title}`;
  const get = 'GET /livez HTTP/1.1\r\nHost: x\r\n\r\n';
  for (const [requests, expected] of [
    [[`${create('one')}${get}nonsense\r\n\r\n${create('never')}`], ['302', '200', '400']],
    [
      [get, 'nonsense\r\n\r\n', create('never')],
      ['200', '400'],
    ],
    // no proxy: Node would end the connection without the answer before
    [[`${get}CONNECT example.org:443 HTTP/1.1\r\nHost: example.org\r\n\r\n`], ['200', '400']],
    // refused before its body is here: what follows may be meant as body or as a request
    [
      [
        `POST /create HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\n`,
        `123456789${create('never')}`,
      ],
      ['415'],
    ],
  ] as const) {
    const reply = await exchange(server.url, [...requests], { pauseMs: 100 });
    assert.deepEqual(statusesOf(reply), expected);
    assert.equal(reply.end, 'closed');
  }
  assert.equal(await server.stop(), 0);
  assert.deepEqual([...readPosts(path).values()], ['one']);
});

test('a body that is too long by its own account is not asked for', async (t) => {
  const server = await startServer();
  t.after(() => server.process.kill('SIGKILL'));
  const head = (bytes: number) =>
    `POST /create HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: ${bytes}\r\nExpect: 100-continue\r\n\r\n`;
  const done = (text: string) => text.includes('\r\n\r\n');
  assert.equal((await exchange(server.url, [head(2_000_000)], { done })).status, 413);
  assert.equal((await exchange(server.url, [head(7)], { done })).status, 100);
  assert.equal(await server.stop(), 0);
});

test('clients that take nothing cost bounded memory, and are gone after the time for a request', async (t) => {
  const server = await startServer({ env: { SCRATCHPAD_REQUEST_TIMEOUT_MS: '1000' } });
  t.after(() => server.process.kill('SIGKILL'));
  const reply = await fetch(new URL('/api/posts', server.url), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ title: 'Long', content: '<'.repeat(100_000) }),
  });
  const { id } = (await reply.json()) as { id: number };
  const pid = server.process.pid!;
  const openFiles = () => readdirSync(`/proc/${pid}/fd`).length;
  const before = { files: openFiles(), mb: residentMb(pid) };
  const sockets = Array.from({ length: 10 }, () => {
    const socket = connect(server.port, '127.0.0.1');
    socket.on('error', () => {});
    t.after(() => socket.destroy());
    // 80 MB of answers each
    socket.write(`GET /${id} HTTP/1.1\r\nHost: x\r\n\r\n`.repeat(200));
    return socket;
  });
  // What the kernels hold is theirs; on a busy host the first may be gone before the last is answered.
  const isServed = () => sockets.every(({ bytesRead }) => bytesRead > 0);
  let mb = 0;
  while (!isServed() || openFiles() > before.files) {
    mb = Math.max(mb, residentMb(pid));
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.ok(mb < before.mb + 150, `${before.mb} MB before, ${mb} MB with them`);
  assert.equal((await fetch(server.url)).status, 200);
  assert.equal(await server.stop(), 0);
});

test('a client that sends requests without end and reads nothing is not read, and harms nobody', async (t) => {
  const server = await startServer();
  t.after(() => server.process.kill('SIGKILL'));
  const pid = server.process.pid!;
  const before = residentMb(pid);
  const socket = connect(server.port, '127.0.0.1');
  socket.on('error', () => {});
  t.after(() => socket.destroy());
  await once(socket, 'connect');
  const requests = Buffer.from('GET /livez HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(1_000));
  // As much as is taken within 3 s; what the kernels hold is theirs.
  const until = performance.now() + 3_000;
  const pause = () => new Promise((resolve) => setTimeout(resolve, 5));
  while (performance.now() < until) {
    if (socket.writableLength < 1_000_000) socket.write(requests);
    await pause();
  }
  const mb = residentMb(pid);
  assert.ok(mb < before + 150, `${before} MB before, ${mb} MB with it`);
  assert.equal((await fetch(server.url)).status, 200);
  socket.destroy();
  assert.equal((await fetch(server.url)).status, 200);
  assert.equal(await server.stop(), 0);
});

test('requests that are sent behind one another are all answered, in order, bodies among them', async (t) => {
  const path = folder(t);
  const server = await startServer({ folder: path });
  t.after(() => server.process.kill('SIGKILL'));
  const form = 'Content-Type: application/x-www-form-urlencoded\r\n';
  const round = (i: number) =>
    `GET /livez?${i} HTTP/1.1\r\nHost: x\r\nX-Request-Id: ${i}-get\r\n\r\n` +
    `POST /create HTTP/1.1\r\nHost: x\r\nX-Request-Id: ${i}-post\r\n${form}Content-Length: 10\r\n\r\ntitle=${String(i).padStart(4, '0')}`;
  const rounds = Array.from({ length: 2_000 }, (_, i) => i);
  const last = 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
  // One byte stream, cut where it falls.
  const { head, body, end } = await exchange(server.url, [rounds.map(round).join(''), last], {
    timeoutMs: 60_000,
  });
  assert.equal(end, 'closed');
  const ids = [...`${head}${body}`.matchAll(/^x-request-id: (\d+-\w+)/gim)].map(([, id]) => id);
  assert.deepEqual(
    ids,
    rounds.flatMap((i) => [`${i}-get`, `${i}-post`]),
  );
  assert.equal(await server.stop(), 0);
  assert.equal(countPosts(path), rounds.length);
});

test('an idle keep-alive connection gets an orderly end, not a reset', async () => {
  const server = await startServer();
  const socket = connect(server.port, '127.0.0.1');
  socket.write('GET /livez HTTP/1.1\r\nHost: x\r\n\r\n');
  await once(socket, 'data');
  server.process.kill('SIGTERM');
  socket.resume();
  await once(socket, 'end'); // an error event would reject
  assert.equal(await server.exited, 0);
  await server.stop();
});

test('an idle connection whose client does not look at it does not hold up the end', async (t) => {
  const server = await startServer({ env: { SCRATCHPAD_DRAIN_MS: '60000' } });
  t.after(() => server.process.kill('SIGKILL'));
  const socket = connect({ port: server.port, host: '127.0.0.1', allowHalfOpen: true });
  socket.on('error', () => {});
  t.after(() => socket.destroy());
  socket.write('GET /livez HTTP/1.1\r\nHost: x\r\n\r\n');
  await once(socket, 'data');
  const start = performance.now();
  server.process.kill('SIGTERM');
  assert.equal(await server.exited, 0);
  assert.ok(performance.now() - start < 30_000);
  assert.equal(server.lines.at(-1)!['destroyed'], 0);
  await server.stop();
});

test('no acknowledged write is lost when the process is killed, again and again, under load', async (t) => {
  const kills = Number(process.env['SCRATCHPAD_KILLS'] ?? 12);
  const path = folder(t);
  const acknowledged = new Map<number, string>();
  for (let kill = 0; kill < kills; kill++) {
    const server = await startServer({ folder: path });
    const goal = acknowledged.size + 20 + ((kill * 37) % 60);
    let alive = true;
    const writer = async (name: number): Promise<void> => {
      for (let i = 0; alive; i++) {
        const title = `kill ${kill} writer ${name} post ${i}`;
        try {
          const reply = await post(server.url, title);
          const { id } = (await reply.json()) as { id: number };
          assert.equal(reply.status, 201);
          acknowledged.set(id, title);
        } catch (error) {
          if (error instanceof assert.AssertionError) throw error;
          return; // the connection died with the server
        }
        if (acknowledged.size >= goal && alive) {
          alive = false;
          server.process.kill('SIGKILL');
        }
      }
    };
    await Promise.all([0, 1, 2, 3].map(writer));
    await server.exited;
  }
  const stored = readPosts(path);
  const lost = [...acknowledged].filter(([id, title]) => stored.get(id) !== title);
  assert.deepEqual(lost, []);
  assert.ok(acknowledged.size >= kills * 20);
});

test('a full disk is 507 and nothing acknowledged is missing; with room again writes go on', async (t) => {
  const path = mkdtempSync(join(tmpdir(), 'scratchpad-full-'));
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', path]);
  if (mounted.status !== 0) {
    rmSync(path, { recursive: true });
    t.skip('mounting a small file system needs root');
    return;
  }
  const server = await startServer({ folder: path });
  t.after(async () => {
    server.process.kill('SIGKILL');
    await server.exited;
    spawnSync('umount', ['-l', path]);
    rmSync(path, { recursive: true, force: true });
  });
  const statuses: number[] = [];
  const ids: number[] = [];
  for (let i = 0; i < 400 && statuses.filter((status) => status !== 201).length < 3; i++) {
    const reply = await fetch(new URL('/api/posts', server.url), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ title: `Post ${i}`, content: 'x'.repeat(8_000) }),
    });
    statuses.push(reply.status);
    const body = (await reply.json()) as { id: number };
    if (reply.status === 201) ids.push(body.id);
  }
  assert.deepEqual([...new Set(statuses)], [201, 507]);
  assert.equal((await fetch(server.url)).status, 200);
  for (const id of ids) {
    assert.equal((await fetch(new URL(`/${id}`, server.url))).status, 200, `post ${id}`);
  }
  spawnSync('mount', ['-o', 'remount,size=8m', path]);
  assert.equal((await post(server.url, 'There is room again')).status, 201);
  server.process.kill('SIGTERM');
  assert.equal(await server.exited, 0);
  assert.equal(countPosts(path), ids.length + 1);
});

test('it ends in order on a full disk too: the log stays and the next start reads it', async (t) => {
  const path = mkdtempSync(join(tmpdir(), 'scratchpad-full-'));
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', path]).status !== 0) {
    rmSync(path, { recursive: true });
    t.skip('mounting a small file system needs root');
    return;
  }
  t.after(() => {
    spawnSync('umount', ['-l', path]);
    rmSync(path, { recursive: true, force: true });
  });
  const server = await startServer({ folder: path });
  t.after(() => server.process.kill('SIGKILL'));
  let stored = 0;
  while (stored < 400 && (await post(server.url, 'x'.repeat(300))).status === 201) stored++;
  server.process.kill('SIGTERM');
  assert.equal(await server.exited, 0);
  spawnSync('mount', ['-o', 'remount,size=8m', path]);
  assert.equal(countPosts(path), stored);
});

/** Reads the file with another program's eyes: a plain connection of the driver. */
function readPosts(path: string): Map<number, string> {
  const script = `const D = require('libsql'); const db = new D(process.argv[1]);
    console.log(JSON.stringify(db.prepare('SELECT id, title FROM posts').raw(true).all()));`;
  const { stdout, stderr } = spawnSync(process.execPath, ['-e', script, join(path, 'test.db')], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  assert.equal(stderr, '');
  return new Map(JSON.parse(stdout) as Array<[number, string]>);
}

function countPosts(path: string): number {
  return readPosts(path).size;
}
