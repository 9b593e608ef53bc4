/** SIGINT, SIGTERM, SIGHUP and SIGKILL at each stage: what is kept, and that nothing is left. */
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { matching } from '../cli/run-cli.ts';
import { fault } from './fault.ts';
import type { KEPT } from './kept.ts';
import { until } from './lab.ts';

interface Moment {
  stage: string;
  args: string[];
  /** What stderr says then. */
  at: RegExp;
  kept: keyof typeof KEPT;
}

const LOAD = ['load', 'bare', '--connections', '2', '--duration', '60'];
const LONG_WARM_UP = [...LOAD, '--warmup', '50'];

const DEPLOY: Moment[] = [
  {
    stage: 'deploy: prepare',
    args: ['deploy', 'bare'],
    at: /checking the artifact/,
    kept: 'nothing',
  },
  { stage: 'deploy: start', args: ['deploy', 'bare'], at: /starting the process/, kept: 'nothing' },
  {
    stage: 'deploy: start-up',
    args: ['deploy', 'bare'],
    at: /waiting for the first/,
    kept: 'nothing',
  },
];
const MEASURE: Moment[] = [
  { stage: 'probe: second trial', args: ['probe', 'bare'], at: /trial 2 of/, kept: 'partial' },
  { stage: 'load: warm-up', args: LONG_WARM_UP, at: /closed loop/, kept: 'partial' },
  { stage: 'load: measuring', args: LOAD, at: /closed loop/, kept: 'partial' },
];

for (const { stage, args, at, kept } of [...DEPLOY, ...MEASURE]) {
  const port = args[0] === 'deploy' ? portArguments : async () => [];
  fault(
    import.meta,
    {
      fault: `SIGINT in ${stage}`,
      stage,
      exit: 130,
      code: 'INTERRUPTED',
      message: 'Interrupted by SIGINT',
      kept,
      left: 'nothing',
    },
    async (lab) => ({
      result: await lab.when(
        [...args, ...(await port())],
        at,
        (child) => void child.kill('SIGINT'),
      ),
    }),
  );
  fault(
    import.meta,
    {
      fault: `SIGKILL in ${stage}`,
      stage,
      exit: 'SIGKILL',
      code: null,
      message: null,
      kept: 'nothing',
      left: 'down --all',
    },
    async (lab) => ({
      result: await lab.when(
        [...args, ...(await port())],
        at,
        (child) => void child.kill('SIGKILL'),
      ),
    }),
  );
}

for (const signal of ['SIGTERM', 'SIGHUP'] as const) {
  fault(
    import.meta,
    {
      fault:
        signal === 'SIGTERM' ? 'SIGTERM under load' : 'SIGHUP under load: the terminal was closed',
      stage: 'load: measuring',
      exit: 130,
      code: 'INTERRUPTED',
      message: `Interrupted by ${signal}`,
      kept: 'partial',
      left: 'nothing',
    },
    async (lab) => ({
      result: await lab.when(LOAD, /closed loop/, (child) => void child.kill(signal)),
    }),
  );
}

fault(
  import.meta,
  {
    fault: 'SIGINT again and again while it cleans up',
    stage: 'load: tear-down',
    exit: 130,
    code: 'INTERRUPTED',
    message: 'Interrupted by SIGINT',
    kept: 'partial',
    left: 'nothing',
  },
  async (lab) => {
    const result = await lab.when(LOAD, /closed loop/, (child) => {
      const again = setInterval(() => child.kill('SIGINT'), 30);
      const isDone = matching(child, /^error INTERRUPTED/m);
      void isDone.finally(() => clearInterval(again)).catch(() => {});
    });
    assert.match(result.stderr, /still cleaning up/);
    // At its very end Node has let go of its signals, and one more ends it: to a shell that is 130 too.
    const ended = result.signal === 'SIGINT' ? { signal: null, code: 130 } : {};
    return { result: { ...result, ...ended } };
  },
);

const BENCH = [
  'bench',
  '--quick',
  '--targets=bare',
  '--rate=50',
  '--duration=500ms',
  '--warmup=200ms',
];

/** Until the bench has its first trial. */
const firstTrial = (bench: string) =>
  until(
    'the first trial',
    () => readdirSync(bench).some((name) => /^trial-.*json$/.test(name)),
    60_000,
  );

fault(
  import.meta,
  {
    fault: 'SIGINT between two trials',
    stage: 'bench',
    exit: 130,
    code: 'INTERRUPTED',
    message: 'Interrupted by SIGINT',
    kept: 'rounds',
    left: 'nothing',
  },
  async (lab) => {
    const bench = join(lab.results, 'b');
    const result = await lab.when([...BENCH, '--out', bench], /calibration/, async (child) => {
      await firstTrial(bench);
      child.kill('SIGINT');
    });
    return { result, kept: { bench } };
  },
);

fault(
  import.meta,
  {
    fault: 'SIGKILL in the second trial',
    stage: 'bench',
    exit: 'SIGKILL',
    code: null,
    message: null,
    kept: 'rounds',
    left: 'down --all',
  },
  async (lab) => {
    const bench = join(lab.results, 'b');
    const result = await lab.when([...BENCH, '--out', bench], /calibration/, async (child) => {
      await firstTrial(bench);
      await matching(child, /saturation/);
      child.kill('SIGKILL');
    });
    return { result, kept: { bench } };
  },
);

fault(
  import.meta,
  {
    fault: 'SIGINT during the calibration',
    stage: 'bench',
    exit: 130,
    code: 'INTERRUPTED',
    message: 'Interrupted by SIGINT',
    kept: 'declared',
    left: 'nothing',
  },
  async (lab) => {
    const bench = join(lab.results, 'b');
    const interrupt = (child: ChildProcess) => void child.kill('SIGINT');
    const result = await lab.when([...BENCH, '--out', bench], /calibration/, interrupt);
    assert.match(result.stderr, /bench --resume/);
    const compared = await lab.run(['compare', bench]);
    assert.equal(compared.code, 2, compared.stderr);
    assert.match(compared.stderr, /RECORD_NOT_FOUND/);
    return { result, kept: { bench } };
  },
);

async function portArguments(): Promise<string[]> {
  const { freePort } = await import('../../cli/targets/port.ts');
  return ['--port', String(await freePort())];
}
