/** Benchmark modules through the built CLI: what they record, and that they are always torn down. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LoadMeasurement } from '../../cli/load/types.ts';
import { freePort } from '../../cli/targets/port.ts';
import { type CliResult, root, sandbox } from '../cli/run-cli.ts';

const DATABASE = join(root, 'fixtures/benchmarks/database.mjs');
/** Nothing listens there: a module of these tests asks nobody. */
const NOWHERE = ['--url', 'http://127.0.0.1:9/', '--no-pin'];

/** A module that writes what happens to it, a line each, into `log` beside it. */
function withModule(t: TestContext, code: string, file = 'own.mjs') {
  const box = sandbox(t);
  const log = join(box.folder, 'log');
  writeFileSync(
    join(box.folder, file),
    `import { appendFileSync } from 'node:fs';
     const log = (text) => appendFileSync(${JSON.stringify(log)}, text + '\\n');
     const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
     ${code}`,
  );
  const args = ['load', ...NOWHERE, '--scenario', `./${file}`];
  return {
    ...box,
    args,
    load: (...more: string[]) => box.run([...args, ...more, '--json']),
    lines: () => (existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : []),
  };
}

const CLOSED = ['--connections', '2', '--duration', '0.5'];
const measured = (result: CliResult) => result.json<LoadMeasurement>();
const errorOf = (result: CliResult) =>
  result.json<{ error: { code: string; message: string; cause?: string; hint: string } }>().error;

/** 4: this host was busy, and the figures are void; what was done is not. */
function assertRan({ code, stderr }: CliResult): void {
  assert.ok(code === 0 || code === 4, stderr);
}

describe('the database benchmark', () => {
  it('measures inserts and reads through the app and directly, and leaves the app as it was', async (t) => {
    const { run, folder } = sandbox(t);
    const temporary = join(folder, 'tmp');
    mkdirSync(temporary);
    const url = `http://127.0.0.1:${await freePort()}/`;
    assert.equal((await run(['deploy', 'bare', '--port', new URL(url).port])).code, 0);
    const list = async () => (await fetch(`${url}api/posts?limit=100`)).json();
    const before = await list();
    const load = async (...loop: string[]) => {
      const args = ['load', 'bare', '--scenario', DATABASE, '--duration', '1', ...loop, '--json'];
      return run(args, { env: { TMPDIR: temporary } });
    };
    const closed = await load('--connections', '2');
    const open = await load('--rate', '100', '--warmup', '1');
    assertRan(closed);
    assertRan(open);
    const names = ['app-insert', 'app-read', 'direct-insert', 'direct-read'];
    for (const result of [closed, open]) {
      const { operations, counts, errors, latencyUs } = measured(result);
      assert.deepEqual(Object.keys(operations), names);
      for (const name of names) assert.ok(operations[name]!.answered > 0, name);
      assert.deepEqual(errors, {});
      assert.equal(counts.failed, 0);
      assert.equal(latencyUs.response.count, counts.planned);
    }
    assert.equal(measured(open).counts.planned, 100);
    assert.equal(measured(open).latencyUs.lag.count, 100);
    assert.deepEqual(await list(), before);
    const left = readdirSync(temporary).filter((name) => name.startsWith('scratchpad'));
    assert.deepEqual(left, []);
  });

  it('is taken by bench, and compared', async (t) => {
    const { run } = sandbox(t);
    const args = ['--targets', 'bare', '--scenario', DATABASE, '--rate', '50', '--duration', '1'];
    const bench = await run(['bench', '--quick', '--rounds', '1', ...args, '--out', 'bench']);
    assert.equal(bench.code, 0, bench.stderr);
    const compared = await run(['compare', 'bench', '--format', 'json']);
    assert.equal(compared.code, 0, compared.stderr);
    assert.match(compared.stdout, /bare#2/);
  });
});

describe('a benchmark module', () => {
  it('is timed from the intended time, and each outcome has its name', async (t) => {
    const { load } = withModule(
      t,
      `export const operations = { fine: {}, coded: {}, plain: {}, returned: {} };
       export async function run({ operation }) {
         await sleep(20);
         if (operation === 'coded') throw Object.assign(new Error('in use'), { code: 'SQLITE_BUSY' });
         if (operation === 'plain') throw new Error('just so');
         if (operation === 'returned') return { error: 'WRONG_ANSWER' };
         return { bytes: 1000 };
       }`,
    );
    // one at a time of 20 ms each, twice as fast asked: half of them wait
    const result = await load(
      '--rate',
      '100',
      '--duration',
      '1',
      '--connections',
      '1',
      '--drain',
      '0',
    );
    const { counts, operations, errors, latencyUs, bytes, warnings, statuses } = measured(result);
    assert.equal(counts.planned, 100);
    assert.ok(counts.unsent >= 40, JSON.stringify(counts));
    const of = (name: string) => operations[name]!;
    assert.deepEqual(errors, {
      SQLITE_BUSY: of('coded').failed,
      RUN_FAILED: of('plain').failed,
      WRONG_ANSWER: of('returned').failed,
    });
    assert.equal(of('fine').failed, 0);
    assert.equal(bytes.received, 1000 * of('fine').answered);
    assert.deepEqual(statuses, {});
    // a timer of Node's counts from the start of its turn of the event loop, so one may be early
    assert.ok(latencyUs.service.p50 >= 10_000, String(latencyUs.service.p50));
    // what waited for the one place counts from its intended time
    assert.ok(latencyUs.response.max > 10 * latencyUs.service.p50);
    assert.ok(warnings.some((text) => text === 'the first SQLITE_BUSY of a run: in use'));
  });

  it('gets the same sequence for the same seed, whatever thread or place runs it', async (t) => {
    const code = `export const operations = { a: { weight: 3 }, b: {} };
      export function run({ index, operation, random }) { log([index, operation, random()].join(' ')); }`;
    const [one, two] = [withModule(t, code), withModule(t, code.concat(''))];
    const open = ['--rate', '100', '--duration', '0.4', '--seed', '7'];
    const first = measured(await one.load(...open, '--workers', '1'));
    const second = measured(await two.load(...open, '--workers', '2'));
    const sorted = (lines: string[]) =>
      lines.sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10));
    assert.equal(one.lines().length, 40);
    assert.deepEqual(sorted(two.lines()), sorted(one.lines()));
    // the modules differ in where they write, so the plans differ, and in nothing else
    assert.equal(first.counts.planned, second.counts.planned);
  });

  it('has one hash wherever it lies, and another when it changes', async (t) => {
    const { folder, run } = sandbox(t);
    mkdirSync(join(folder, 'a'));
    mkdirSync(join(folder, 'b'));
    const file = (at: string, code: string) => writeFileSync(join(folder, at, 'own.mjs'), code);
    file('a', 'export function run() {}');
    file('b', 'export function run() {}');
    const hash = async (at: string) =>
      measured(await run(['load', ...NOWHERE, ...CLOSED, '--scenario', `${at}/own.mjs`, '--json']))
        .plan.sha256;
    const first = await hash('a');
    assert.equal(await hash('b'), first);
    file('b', 'export function run() { }');
    assert.notEqual(await hash('b'), first);
  });

  it('may be TypeScript with a default export', async (t) => {
    const { folder, run } = sandbox(t);
    writeFileSync(
      join(folder, 'own.ts'),
      `import type { Benchmark } from 'scratchpad/benchmark';
       export default { name: 'typed', setup: () => 3, run({ state }) { if (state !== 3) throw 1; },
       } satisfies Benchmark<number>;`,
    );
    const result = await run(['load', ...NOWHERE, ...CLOSED, '--scenario', 'own.ts', '--json']);
    assertRan(result);
    assert.equal(measured(result).plan.scenario, 'typed');
    assert.equal(measured(result).counts.failed, 0);
  });

  it('that blocks its thread still ends in time', async (t) => {
    const { load } = withModule(
      t,
      'export function run() { const until = Date.now() + 5; while (Date.now() < until); }',
    );
    const { counts, windows } = measured(await load(...CLOSED));
    assert.ok(counts.answered > 10 && counts.answered <= 110, JSON.stringify(counts));
    assert.equal(windows.length, 1);
  });

  it('that does not end in time has failed then, and its late end counts for nothing', async (t) => {
    const { load } = withModule(
      t,
      `export async function run({ signal }) {
         signal.addEventListener('abort', () => log('aborted'));
         await sleep(300);
       }`,
    );
    const result = await load('--rate', '20', '--duration', '0.5', '--timeout', '0.1');
    const { counts, errors, warnings } = measured(result);
    assert.equal(result.code, 4); // all failed
    assert.equal(counts.failed, 10);
    assert.deepEqual(errors, { RUN_TIMEOUT: 10 });
    assert.ok(warnings.some((text) => text.startsWith('10 runs took longer than the time-out')));
  });

  it('is set up in worker 0 first and torn down there last', async (t) => {
    const { load, lines } = withModule(
      t,
      `export async function setup({ worker }) {
         log('setup ' + worker);
         await sleep(worker === 0 ? 100 : 0);
         log('ready ' + worker);
         return worker;
       }
       export function run({ state, worker }) { if (state !== worker) throw new Error(); }
       export async function teardown({ state }) {
         await sleep(state === 1 ? 100 : 0);
         log('teardown ' + state);
       }`,
    );
    const result = await load(...CLOSED, '--workers', '2');
    assertRan(result);
    assert.equal(measured(result).counts.failed, 0);
    assert.deepEqual(lines(), [
      'setup 0',
      'ready 0',
      'setup 1',
      'ready 1',
      'teardown 1',
      'teardown 0',
    ]);
  });
});

describe('a benchmark module at fault', () => {
  const TEARDOWN = "export function teardown({ state }) { log('teardown ' + state); }";

  it('whose setup throws: BENCHMARK_FAILED, exit 4, torn down', async (t) => {
    const { load, lines } = withModule(
      t,
      `export function setup() { throw new Error('no luck'); }
       export function run() {} ${TEARDOWN}`,
    );
    const result = await load(...CLOSED);
    assert.equal(result.code, 4);
    const { code, cause, hint } = errorOf(result);
    assert.equal(code, 'BENCHMARK_FAILED');
    assert.equal(cause, 'no luck');
    assert.match(hint, /own\.mjs/);
    assert.deepEqual(lines(), ['teardown undefined']);
  });

  it('whose teardown throws: exit 4, and the record is kept', async (t) => {
    const { load } = withModule(
      t,
      `export function run() {}
       export function teardown() { throw new Error('still there'); }`,
    );
    const result = await load(...CLOSED);
    assert.equal(result.code, 4);
    assert.match(result.stderr, /BENCHMARK_FAILED[\s\S]*still there/);
    const { counts, teardownError } = measured(result);
    assert.ok(counts.answered > 0);
    assert.equal(teardownError, 'still there');
  });

  it('that ends the process: BENCHMARK_FAILED with a hint', async (t) => {
    const { load } = withModule(t, 'export function run() { process.exit(0); }');
    const result = await load(...CLOSED);
    assert.equal(result.code, 4);
    assert.match(errorOf(result).hint, /process\.exit/);
  });

  it('that never gives the thread back is ended: BENCHMARK_FAILED, exit 4', async (t) => {
    const { load } = withModule(t, 'export function run() { for (;;); }');
    const result = await load(...CLOSED, '--drain', '0');
    assert.equal(result.code, 4);
    assert.equal(errorOf(result).code, 'BENCHMARK_FAILED');
    assert.match(errorOf(result).message, /blocks the generator/);
  });

  for (const [what, code, problem] of [
    ['no run', 'export const name = "x";', /exports no function run/],
    ['a syntax error', 'export function run( {', /does not load/],
    [
      'a bad weight',
      'export function run() {}\nexport const operations = { a: { weight: 0 } };',
      /weight/,
    ],
    ['a bad name', 'export function run() {}\nexport const name = "a b";', /its name/],
    [
      'a setup that is none',
      'export function run() {}\nexport const setup = 3;',
      /its setup is no function/,
    ],
  ] as const) {
    it(`with ${what}: BAD_MODULE, exit 2, before anything is deployed`, async (t) => {
      const { folder, run } = sandbox(t);
      writeFileSync(join(folder, 'own.mjs'), code);
      const result = await run(['load', 'bare', '--scenario', './own.mjs', '--json']);
      assert.equal(result.code, 2);
      assert.equal(errorOf(result).code, 'BAD_MODULE');
      assert.match(errorOf(result).message, problem);
      assert.match(errorOf(result).hint, /fixtures\/benchmarks\/database\.mjs/);
    });
  }

  it('that is not there: BAD_MODULE', async (t) => {
    const result = await sandbox(t).run(['load', ...NOWHERE, '--scenario', './none.mjs', '--json']);
    assert.equal(errorOf(result).code, 'BAD_MODULE');
  });
});

describe('Ctrl-C', () => {
  async function untilLogged(lines: () => string[], text: string): Promise<void> {
    while (!lines().includes(text)) await sleep(20);
  }
  const TEARDOWN = "export function teardown({ state }) { log('teardown ' + state); }";

  for (const [when, code, torn] of [
    [
      'in a run',
      "export function setup() { return 'made'; }\nexport async function run() { log('here'); await sleep(50); }",
      'made',
    ],
    [
      'in a setup that listens',
      "export function setup({ signal }) { log('here'); return new Promise((_, no) => { signal.addEventListener('abort', () => no(new Error('stopped'))); }); }\nexport function run() {}",
      'undefined',
    ],
  ] as const) {
    it(`${when}: exit 130, torn down`, async (t) => {
      const { start, args, lines } = withModule(t, `${code}\n${TEARDOWN}`);
      const { child, result } = start([
        ...args,
        '--connections',
        '1',
        '--duration',
        '60',
        '--json',
      ]);
      await untilLogged(lines, 'here');
      child.kill('SIGINT');
      const ended = await result;
      assert.equal(ended.code, 130, ended.stderr);
      assert.equal(lines().at(-1), `teardown ${torn}`);
      if (when === 'in a run') assert.equal(measured(ended).interrupted, true);
      else assert.equal(errorOf(ended).code, 'INTERRUPTED');
    });
  }
});
