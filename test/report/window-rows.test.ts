/** Figures of the measured window that have a row of their own in a comparison. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TrialRecord } from '../../cli/record/schema.ts';
import { figuresOfTrial, METRICS } from '../../cli/report/metrics.ts';
import { buildComparison } from '../../cli/report/model.ts';
import { BARE, DOCKER, generateBench } from './bench-generator.ts';

function figuresWith(window: Record<string, unknown>) {
  const { trials } = generateBench({ id: 'rows', labels: { bare: BARE }, rounds: 1 });
  const trial = structuredClone(trials[0]!) as TrialRecord;
  Object.assign((trial.resources as { window: object }).window, window);
  return figuresOfTrial(trial).values;
}

const ROWS = {
  'memory-pss': 'pssBytes',
  'memory-overhead': 'guestOverheadMeanBytes',
  'cpu-user': 'cpuUserMs',
  'cpu-system': 'cpuSystemMs',
  'cpu-helpers': 'helpersCpuMs',
  'cpu-daemons': 'daemonsCpuMs',
  'cpu-throttled': 'throttledMs',
  'disk-amplification': 'diskWrittenBytesPerPostByte',
  'disk-write-ops': 'diskWriteOps',
  'disk-read-ops': 'diskReadOps',
};

describe('rows of the window', () => {
  it('each figure stands under its own metric', () => {
    const window = Object.fromEntries(Object.values(ROWS).map((key, i) => [key, 101 + i]));
    const values = figuresWith(window);
    Object.keys(ROWS).forEach((id, i) => {
      assert.equal(values.get(id), 101 + i, id);
      assert.ok(METRICS.some((metric) => metric.id === id));
    });
  });

  it('payload is what went in and what came out', () => {
    const values = figuresWith({
      networkPayloadReceivedBytes: 300,
      networkPayloadSentBytes: 4000,
    });
    assert.equal(values.get('network-payload'), 4300);
  });

  it('a figure that could not be had keeps its reason', () => {
    const values = figuresWith({ throttledMs: { unavailable: 'no CPU controller' } });
    assert.deepEqual(values.get('cpu-throttled'), { unavailable: 'no CPU controller' });
  });

  it('a record without a figure has no row, and neither has a target without a guest', () => {
    const values = figuresWith({
      guestOverheadMeanBytes: { unavailable: 'there is no guest' },
      diskWrittenBytesPerPostByte: { unavailable: 'the load posted nothing' },
    });
    assert.equal(values.has('memory-overhead'), false);
    assert.equal(values.has('disk-amplification'), false);
    assert.equal(values.has('cpu-user'), false);
    assert.equal(values.has('network-payload'), false);
  });
});

describe('the note about memory', () => {
  const bench = () =>
    generateBench({ id: 'note', labels: { bare: BARE, docker: DOCKER }, rounds: 2 });
  const notes = ({ bench: head, trials }: ReturnType<typeof bench>) =>
    buildComparison([head, ...trials], {}).notes.filter((note) => /page cache/.test(note));

  it('stands in every comparison of working sets', () => {
    assert.equal(notes(bench()).length, 1);
  });

  it('is left out where none was measured', () => {
    const made = bench();
    for (const trial of made.trials) {
      trial.resources = { unavailable: 'no meter' };
      delete trial.startUp.memoryAtReady;
    }
    assert.deepEqual(notes(made), []);
  });
});
