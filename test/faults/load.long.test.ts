/** Faults of what is loaded and of the way to it, while a load runs. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../cli/targets/port.ts';
import { smallDisk } from './disk.ts';
import { fault } from './fault.ts';
import { type FaultLab, until } from './lab.ts';

/** A load of a target of its own. */
const BARE = 'load bare --rate 20 --duration 1'.split(' ');
const SHORT = 'load --rate 50 --duration 1 --timeout 500ms --drain 500ms'.split(' ');

/** A server that does with each connection what it is told, on a port of its own. */
async function server(
  { t }: Pick<FaultLab, 't'>,
  serve: (socket: Socket) => void,
): Promise<string> {
  const open = new Set<Socket>();
  const listening = createServer((socket) => {
    open.add(socket.on('error', () => {}).on('close', () => open.delete(socket)));
    serve(socket);
  });
  const port = await freePort();
  await new Promise<void>((resolve) => listening.listen(port, '127.0.0.1', resolve));
  t.after(() => {
    for (const socket of open) socket.destroy();
    listening.close();
  });
  return `http://127.0.0.1:${port}/`;
}

fault(
  import.meta,
  {
    fault: 'the target is killed',
    stage: 'load: measuring',
    exit: 3,
    code: 'TARGET_DIED',
    message: 'The target ended under load',
    kept: 'failures',
    left: 'deployment',
  },
  async (lab) => {
    const { pid } = await lab.deployBare();
    const result = await lab.when(
      ['load', 'bare', '--rate', '50', '--duration', '2'],
      /open loop/,
      async () => {
        await lab.underLoad();
        process.kill(pid, 'SIGKILL');
      },
    );
    assert.match(result.stderr, /has ended/);
    return {
      result,
      kept: { check: ({ errors }) => assert.ok((errors['ECONNREFUSED'] ?? 0) > 0) },
    };
  },
);

fault(
  import.meta,
  {
    fault: 'the target hangs (SIGSTOP)',
    stage: 'load: measuring',
    exit: 5,
    code: 'THRESHOLD_FAILED',
    message: 'Not met: errors<1%',
    kept: 'failures',
    left: 'deployment',
    voidWhereBusy: true,
  },
  async (lab) => {
    const { pid } = await lab.deployBare();
    lab.t.after(() => resume(pid));
    const args = [
      'load',
      'bare',
      '--rate',
      '50',
      '--duration',
      '2',
      '--timeout',
      '300ms',
      '--drain',
      '500ms',
    ];
    const result = await lab.when([...args, '--threshold', 'errors<1%'], /open loop/, async () => {
      await lab.underLoad();
      process.kill(pid, 'SIGSTOP');
    });
    resume(pid);
    const check = ({ errors }: { errors: Record<string, number> }) =>
      assert.ok((errors['REQUEST_TIMEOUT'] ?? 0) > 0, JSON.stringify(errors));
    return { result, kept: { check } };
  },
);

/** A stopped process cannot end in order; one that has ended needs nothing. */
function resume(pid: number): void {
  try {
    process.kill(pid, 'SIGCONT');
  } catch {
    // it has been removed
  }
}

/** Is there a client on this host that has a connection to the port? Linux's own table. */
function isConnectedTo(port: number): boolean {
  const remote = `:${port.toString(16).toUpperCase().padStart(4, '0')} 01 `;
  return readFileSync('/proc/net/tcp', 'latin1').includes(remote);
}

fault(
  import.meta,
  {
    fault: 'the target has hung before, and Ctrl-C while it is waited for',
    stage: 'load: before',
    exit: 130,
    code: 'INTERRUPTED',
    message: 'Interrupted by SIGINT',
    kept: 'nothing',
    left: 'deployment',
  },
  async (lab) => {
    const { pid, port } = await lab.deployBare();
    lab.t.after(() => resume(pid));
    process.kill(pid, 'SIGSTOP');
    const { child, result } = lab.start([...SHORT, 'bare']);
    // The kernel takes the connection for a process that is stopped: from then on it is waited for.
    await until('the CLI asks the target', () => isConnectedTo(port), 60_000);
    child.kill('SIGINT');
    const patience = setTimeout(() => child.kill('SIGKILL'), 10_000);
    const ended = await result;
    clearTimeout(patience);
    resume(pid);
    return { result: ended };
  },
);

fault(
  import.meta,
  {
    fault: 'the server sends garbage instead of HTTP',
    stage: 'load: measuring',
    exit: 4,
    code: 'ALL_REQUESTS_FAILED',
    message: 'Not one request was answered',
    kept: 'failures',
    left: 'nothing',
  },
  async (lab) => {
    const url = await server(lab, (socket) =>
      socket.on('data', () => socket.write('\u0000\u0001SSH-2.0-garbage\r\n\r\n')),
    );
    return { result: await lab.run([...SHORT, '--url', url]) };
  },
);

fault(
  import.meta,
  {
    fault: 'a server that sends one byte every 50 ms (slow loris)',
    stage: 'load: measuring',
    exit: 4,
    code: 'ALL_REQUESTS_FAILED',
    message: 'Not one request was answered',
    kept: 'failures',
    left: 'nothing',
  },
  async (lab) => {
    const url = await server(lab, (socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n');
      const drip = setInterval(() => socket.write('x'), 50);
      socket.on('close', () => clearInterval(drip));
    });
    const check = ({
      errors,
      counts,
    }: {
      errors: Record<string, number>;
      counts: { failed: number };
    }) => assert.equal(errors['REQUEST_TIMEOUT'], counts.failed, JSON.stringify(errors));
    return { result: await lab.run([...SHORT, '--url', url]), kept: { check } };
  },
);

fault(
  import.meta,
  {
    fault: 'nothing listens there',
    stage: 'load: measuring',
    exit: 4,
    code: 'ALL_REQUESTS_FAILED',
    message: 'Not one request was answered',
    kept: 'failures',
    left: 'nothing',
  },
  async (lab) => ({
    result: await lab.run([...SHORT, '--url', `http://127.0.0.1:${await freePort()}/`]),
  }),
);

fault(
  import.meta,
  {
    fault: 'the name of the server does not resolve',
    stage: 'load: before',
    exit: 3,
    code: 'TARGET_UNREACHABLE',
    message: '…nowhere.invalid…',
    kept: 'nothing',
    left: 'nothing',
  },
  async (lab) => ({ result: await lab.run([...SHORT, '--url', 'http://nowhere.invalid/']) }),
);

fault(
  import.meta,
  {
    fault: 'the network path goes down',
    stage: 'load: measuring',
    exit: 5,
    code: 'THRESHOLD_FAILED',
    message: 'Not met: errors<1%',
    kept: 'failures',
    left: 'nothing',
    voidWhereBusy: true,
    needs: ['netns'],
  },
  async (lab) => {
    // a network of its own, without a way out: nothing is sent elsewhere when the path is gone
    const name = `scratchpad-${process.pid}`;
    const ip = (...args: string[]) => execFileSync('ip', args);
    ip('netns', 'add', name);
    lab.t.after(() => ip('netns', 'del', name));
    ip('-n', name, 'link', 'set', 'lo', 'up');
    const program =
      "let n = 0; require('node:http').createServer((q, s) => { s.end('ok'); if (++n === 5) console.log('asked'); })" +
      ".listen(8080, '127.0.0.1', () => console.log('up'))";
    const far = spawn('ip', ['netns', 'exec', name, process.execPath, '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    lab.t.after(() => far.kill('SIGKILL'));
    await new Promise((resolve) => far.stdout.once('data', resolve));
    const asked = new Promise((resolve) => far.stdout.once('data', resolve));
    const args = ['load', '--url', 'http://127.0.0.1:8080/', '--rate', '50', '--duration', '2'];
    const result = await lab.when(
      [...args, '--timeout', '300ms', '--threshold', 'errors<1%'],
      /open loop/,
      async () => {
        await asked;
        ip('-n', name, 'link', 'set', 'lo', 'down');
      },
      { prefix: ['ip', 'netns', 'exec', name] },
    );
    const check = ({ counts }: { counts: { answered: number } }) => assert.ok(counts.answered > 0);
    return { result, kept: { check } };
  },
);

fault(
  import.meta,
  {
    fault: 'the host’s clock is set back and forth by an hour',
    stage: 'load: measuring',
    exit: 0,
    code: null,
    message: null,
    kept: 'record',
    left: 'nothing',
    voidWhereBusy: true,
  },
  async (lab) => {
    const clock = join(lab.folder, 'clock.mjs');
    writeFileSync(
      clock,
      `const RealDate = Date;
       const started = performance.now();
       const off = () => [0, 3_600_000, -3_600_000][Math.floor((performance.now() - started) / 300) % 3];
       globalThis.Date = class extends RealDate {
         constructor(...args) { args.length === 0 ? super(RealDate.now() + off()) : super(...args); }
         static now() { return RealDate.now() + off(); }
       };`,
    );
    const url = await server(lab, (socket) =>
      socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')),
    );
    const args = ['load', '--url', url, '--rate', '100', '--duration', '2', '--warmup', '500ms'];
    const result = await lab.run(args, { env: { NODE_OPTIONS: `--import=${clock}` } });
    return {
      result,
      kept: {
        check({ counts, windows, latencyUs }) {
          assert.equal(counts.planned, 200);
          assert.equal(counts.answered, 200);
          // two of the load, and one where its last answers came late
          assert.ok(windows.length === 2 || windows.length === 3, String(windows.length));
          assert.ok(latencyUs.response.min >= 0 && latencyUs.response.max < 60_000_000);
        },
      },
    };
  },
);

fault(
  import.meta,
  {
    fault: 'the disk of the database is full',
    stage: 'load: measuring',
    exit: 5,
    code: 'THRESHOLD_FAILED',
    message: 'Not met: errors<1%',
    kept: 'failures',
    left: 'deployment',
    voidWhereBusy: true,
    needs: ['disk'],
  },
  async (lab) => {
    const disk = smallDisk(lab.t, 8);
    lab.state = join(disk.folder, 'state');
    lab.env['SCRATCHPAD_STATE_DIR'] = lab.state;
    await lab.deployBare();
    disk.fill();
    const args = ['load', 'bare', '--scenario', 'mixed', '--rate', '50', '--duration', '2'];
    const result = await lab.run([...args, '--threshold', 'errors<1%']);
    return {
      result,
      kept: {
        check({ errors, counts }) {
          assert.ok(counts.answered > 0, 'what only reads is still answered');
          assert.ok(
            Object.keys(errors).some((name) => /HTTP_5/.test(name)),
            JSON.stringify(errors),
          );
        },
      },
    };
  },
);

fault(
  import.meta,
  {
    fault: 'no file descriptors are left (ulimit -n)',
    stage: 'load: measuring',
    exit: 4,
    code: 'CLIENT_LIMITED',
    message: 'The generator, not the target, was the limit',
    kept: 'failures',
    left: 'nothing',
  },
  async (lab) => {
    const url = await server(lab, (socket) =>
      socket.on('data', () =>
        setTimeout(() => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'), 200),
      ),
    );
    const args = ['load', '--url', url, '--connections', '100', '--duration', '1'];
    const result = await lab.limited('ulimit -n 64', args);
    assert.match(result.stderr, /failed here with EMFILE: .*\n\s+hint: .*`ulimit -n`/);
    return {
      result,
      kept: {
        check: ({ errors }) => assert.ok((errors['EMFILE'] ?? 0) > 0, JSON.stringify(errors)),
      },
    };
  },
);

fault(
  import.meta,
  {
    fault: 'stdout and stderr are closed by their reader (`2>&1 | head -1`)',
    stage: 'load: measuring',
    exit: 0,
    code: null,
    message: null,
    kept: 'record',
    left: 'nothing',
    voidWhereBusy: true,
  },
  async (lab) => {
    const { child, result } = lab.start(BARE);
    await new Promise((resolve) => child.stderr!.once('data', resolve));
    child.stderr!.destroy();
    child.stdout!.destroy();
    const ended = await result;
    return { result: ended };
  },
);

fault(
  import.meta,
  {
    fault: 'stdin, stdout and stderr are closed',
    stage: 'load: measuring',
    exit: 0,
    code: null,
    message: null,
    kept: 'record',
    left: 'nothing',
    voidWhereBusy: true,
  },
  async (lab) => {
    const ended = await lab.limited('exec 0<&- 1>&- 2>&-', BARE);
    return { result: ended };
  },
);

fault(
  import.meta,
  {
    fault: 'the results folder is deleted',
    stage: 'load: record',
    exit: 3,
    code: 'OUTPUT_UNWRITABLE',
    message: 'The record could not be written to …/results/load-bare-….json',
    kept: 'rescued',
    left: 'nothing',
  },
  async (lab) => {
    const result = await lab.when(BARE, /open loop/, () =>
      rmSync(lab.results, { recursive: true }),
    );
    const record = /It has been kept as (\S+?):/.exec(result.stderr)?.[1];
    assert.ok(record?.startsWith(lab.temporary), result.stderr);
    return { result, kept: { record } };
  },
);

fault(
  import.meta,
  {
    fault: 'the results folder is deleted, and there is no temporary folder',
    stage: 'load: record',
    exit: 3,
    code: 'OUTPUT_UNWRITABLE',
    message: 'The record could not be written to …/results/load-bare-….json',
    kept: 'printed',
    left: 'nothing',
  },
  async (lab) => {
    const env = { TMPDIR: join(lab.folder, 'none') };
    const result = await lab.when(
      BARE,
      /open loop/,
      () => rmSync(lab.results, { recursive: true }),
      { env },
    );
    const printed = result.stderr.slice(
      result.stderr.indexOf('\n{\n'),
      result.stderr.lastIndexOf('\n}\n') + 2,
    );
    return { result, kept: { printed } };
  },
);

fault(
  import.meta,
  {
    fault: 'the disk of the results fills up while it measures',
    stage: 'load: record',
    exit: 0,
    code: null,
    message: null,
    kept: 'record',
    left: 'nothing',
    voidWhereBusy: true,
    needs: ['disk'],
  },
  async (lab) => {
    const disk = smallDisk(lab.t, 3);
    lab.results = lab.env['SCRATCHPAD_RESULTS_DIR'] = join(disk.folder, 'results');
    const result = await lab.when(BARE, /open loop/, () => disk.fill());
    return { result };
  },
);

fault(
  import.meta,
  {
    fault: 'the disk is full when the histogram is exported',
    stage: 'load: --hgrm',
    exit: 3,
    code: 'DISK_FULL',
    message: 'No space left to write /dev/full',
    kept: 'record',
    left: 'nothing',
  },
  async (lab) => ({
    result: await lab.run([
      'load',
      'bare',
      '--rate',
      '20',
      '--duration',
      '1',
      '--hgrm',
      '/dev/full',
    ]),
  }),
);

fault(
  import.meta,
  {
    fault: 'the process on the deployment’s pid is another one by now',
    stage: 'load: before',
    exit: 3,
    code: 'TARGET_DIED',
    message: 'bare is deployed but does not run',
    kept: 'nothing',
    left: 'deployment',
  },
  async (lab) => {
    const { pid } = await lab.deployBare();
    const other = spawn('sleep', ['60']);
    lab.t.after(() => other.kill('SIGKILL'));
    process.kill(pid, 'SIGKILL');
    lab.editState((state) => {
      (state['resources'] as { process: { pid: number } }).process.pid = other.pid!;
    });
    const result = await lab.run([...SHORT, 'bare']);
    const down = await lab.run(['down', 'bare']);
    assert.equal(down.code, 0, down.stderr);
    await sleep(50);
    assert.equal(other.exitCode ?? other.signalCode, null, 'a process of another is not touched');
    await lab.deployBare();
    return { result };
  },
);
