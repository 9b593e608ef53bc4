import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { isScratchpadError } from '../../cli/errors.ts';
import { sumBlockStats, usedByBalloon } from '../../cli/meters/qemu.ts';
import { askQmp } from '../../cli/meters/qmp.ts';

const GREETING = '{"QMP": {"version": {"qemu": {"major": 7}}, "capabilities": []}}\r\n';

/** A monitor that greets and then answers each line with what `answer` gives. */
async function monitor(
  t: TestContext,
  answer: (command: { execute: string }) => string,
  greet = GREETING,
): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'scratchpad-qmp-'));
  const path = join(folder, 'qmp.sock');
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on('error', () => {});
    socket.write(greet);
    let rest = '';
    socket.on('data', (data) => {
      const lines = (rest + data).split('\n');
      rest = lines.pop()!;
      for (const line of lines) socket.write(answer(JSON.parse(line)));
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  t.after(() => {
    for (const socket of open) socket.destroy();
    server.close();
    rmSync(folder, { recursive: true });
  });
  return path;
}

test('commands are answered in order, events between them passed over', async (t) => {
  const path = await monitor(t, ({ execute }) =>
    execute === 'qmp_capabilities'
      ? '{"return": {}}\r\n{"event": "RESUME", "timestamp": {}}\r\n'
      : `{"return": "${execute}"}\r\n`,
  );
  assert.deepEqual(await askQmp(path, [{ execute: 'one' }, { execute: 'two' }]), [
    { ok: true, value: 'one' },
    { ok: true, value: 'two' },
  ]);
});

test('a command that QEMU refuses fails alone', async (t) => {
  const path = await monitor(t, ({ execute }) =>
    execute === 'bad'
      ? '{"error": {"class": "DeviceNotFound", "desc": "no such device"}}\r\n'
      : '{"return": 1}\r\n',
  );
  assert.deepEqual(await askQmp(path, [{ execute: 'bad' }, { execute: 'good' }]), [
    { ok: false, error: 'no such device' },
    { ok: true, value: 1 },
  ]);
});

test('a socket that is held by another client is an error within the time limit', async (t) => {
  const path = await monitor(t, () => '', '');
  await assert.rejects(askQmp(path, [{ execute: 'one' }], 50), (error) => {
    assert.ok(isScratchpadError(error));
    assert.equal(error.code, 'TARGET_UNREACHABLE');
    assert.match(error.message, /gave no answer in 50 ms/);
    assert.match(error.hint!, /socket of its own/);
    return true;
  });
});

test('a socket that is made a moment later is waited for where that was asked for, and the command sent once', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'scratchpad-qmp-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'qmp.sock');
  await assert.rejects(askQmp(path, [], 1_000), /ENOENT/, 'not without being asked');
  const sent: string[] = [];
  const server = createServer((socket) => {
    socket.write(GREETING);
    socket.on('data', (data) => {
      for (const line of data.toString().trim().split('\n')) {
        sent.push((JSON.parse(line) as { execute: string }).execute);
        socket.write('{"return": "here"}\r\n');
      }
    });
  });
  t.after(() => server.close());
  const asked = askQmp(path, [{ execute: 'one' }], 1_000, 10_000);
  // the first attempt is made before this timer ends, and finds nothing
  setTimeout(() => server.listen(path), 60);
  assert.deepEqual(await asked, [{ ok: true, value: 'here' }]);
  assert.deepEqual(sent, ['qmp_capabilities', 'one']);
  await assert.rejects(askQmp(join(folder, 'none.sock'), [], 1_000, 50), /ENOENT/);
});

test('no socket, and a stranger behind it, are errors', async (t) => {
  await assert.rejects(askQmp('/nonexistent/qmp.sock', []), /can't be reached/);
  const path = await monitor(t, () => '', 'SSH-2.0-OpenSSH\r\n');
  await assert.rejects(askQmp(path, []), /does not speak QMP/);
});

const drive = (device: string, wr_bytes: number) => ({
  device,
  'node-name': `#${device}`,
  stats: { rd_bytes: 1, wr_bytes, rd_operations: 2, wr_operations: 3 },
});

test('block statistics are summed over the drives that were named', () => {
  const all = [drive('root', 100), drive('artifact', 50)];
  assert.equal(sumBlockStats(all, undefined).writtenBytes, 150);
  assert.deepEqual(sumBlockStats(all, ['root']), {
    readBytes: 1,
    writtenBytes: 100,
    readOps: 2,
    writeOps: 3,
  });
  assert.equal(sumBlockStats(all, ['#artifact']).writtenBytes, 50);
});

test('a drive that does not exist is unavailable and not zero', () => {
  assert.deepEqual(sumBlockStats([drive('root', 1)], ['d0']).writtenBytes, {
    unavailable: 'QEMU has no drive named d0',
  });
});

test('the guest uses what it has less what is available, once its driver has reported', () => {
  const stats = { 'stat-total-memory': 1000, 'stat-available-memory': 400 };
  assert.equal(usedByBalloon({ stats, 'last-update': 1 }), 600);
  assert.match(JSON.stringify(usedByBalloon({ stats, 'last-update': 0 })), /not reported yet/);
});

test('a guest that reports no figure is unavailable: QEMU says -1 or its unsigned twin', () => {
  for (const missing of [-1, 2 ** 64 - 1]) {
    const stats = { 'stat-total-memory': 1000, 'stat-available-memory': missing };
    assert.match(JSON.stringify(usedByBalloon({ stats, 'last-update': 1 })), /reports no total/);
  }
  assert.match(JSON.stringify(usedByBalloon({})), /not reported yet/);
});
