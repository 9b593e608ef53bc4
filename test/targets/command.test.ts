import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import { ScratchpadError } from '../../cli/errors.ts';
import { runCommand } from '../../cli/targets/command.ts';
import { identify, waitUntilGone } from '../../cli/targets/process-identity.ts';

const node = process.execPath;
/** Starts a child of its own that ignores SIGTERM, prints both pids, and waits. */
const FAMILY = `
  const { spawn } = require('node:child_process');
  const child = spawn(process.execPath, ['-e', "process.on('SIGTERM',()=>{});process.stdout.write('up');setInterval(()=>{},1e6)"],
    { stdio: ['ignore', 'pipe', 'inherit'] });
  child.stdout.on('data', () => console.log(process.pid, child.pid));
  setInterval(() => {}, 1e6);`;

describe('running a program', () => {
  it('hands back its output, its lines and its exit code', async () => {
    const lines: string[] = [];
    const program = "console.log('out\\nmore'); console.error('err'); process.exitCode = 3";
    const result = await runCommand(node, ['-e', program], { onLine: (line) => lines.push(line) });
    assert.equal(result.code, 3);
    assert.equal(result.stdout, 'out\nmore\n');
    assert.equal(result.stderr, 'err\n');
    assert.deepEqual(lines.sort(), ['err', 'more', 'out']);
  });

  it('a program that does not exist is told apart from one that fails', async () => {
    const { missing, code } = await runCommand('no-such-program-anywhere', []);
    assert.equal(missing, true);
    assert.equal(code, null);
  });

  it('gives it its standard input, and lives with one that does not read it', async () => {
    const cat = 'process.stdin.pipe(process.stdout)';
    assert.equal((await runCommand(node, ['-e', cat], { input: 'text' })).stdout, 'text');
    const large = Readable.from([Buffer.alloc(1 << 20), Buffer.alloc(1 << 20)]);
    assert.equal((await runCommand(node, ['-e', '0'], { input: large })).code, 0);
  });

  for (const [what, bound] of [
    ['after its time', { timeoutMs: 300 }],
    ['where no first line comes in time', { firstLineTimeoutMs: 300 }],
  ] as const) {
    it(`is ended ${what}`, async () => {
      const result = await runCommand(node, ['-e', 'setInterval(() => {}, 1e6)'], bound);
      assert.equal(result.timedOut, true);
      assert.equal(result.code, null);
    });
  }

  it('a first line in time lifts that bound', async () => {
    const program = "console.log('x'); setTimeout(() => {}, 2_500)";
    const result = await runCommand(node, ['-e', program], { firstLineTimeoutMs: 2000 });
    assert.equal(result.timedOut, false);
    assert.equal(result.code, 0);
  });

  it('an abort ends it with its children, deaf ones too, and is INTERRUPTED', async () => {
    const controller = new AbortController();
    let pids: number[] = [];
    const running = runCommand(node, ['-e', FAMILY], {
      signal: controller.signal,
      onLine: (line) => {
        pids = line.split(' ').map(Number);
        controller.abort();
      },
    });
    await assert.rejects(running, { code: 'INTERRUPTED' });
    assert.equal(pids.length, 2);
    if (process.platform === 'linux') {
      assert.equal(await waitUntilGone(pids.map(identify), 3000), true, 'a child is left');
    }
  });

  it('an abort with a reason of ours is thrown as it is, before anything starts', async () => {
    const reason = new ScratchpadError('GATE_FAILED', 'because');
    const signal = AbortSignal.abort(reason);
    await assert.rejects(runCommand('no-such-program-anywhere', [], { signal }), reason);
  });
});
