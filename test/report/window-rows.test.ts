/** Figures of the measured window that have a row of their own in a comparison. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TrialRecord } from '../../cli/record/schema.ts';
import { figuresOfTrial, METRICS } from '../../cli/report/metrics.ts';
import { buildComparison } from '../../cli/report/model.ts';
import { scaleOf } from '../../cli/report/wording.ts';
import { BARE, DOCKER, generateBench } from './bench-generator.ts';

function figuresWith(window: Record<string, unknown>) {
  const { trials } = generateBench({ id: 'rows', labels: { bare: BARE }, rounds: 1 });
  const trial = structuredClone(trials[0]!) as TrialRecord;
  Object.assign((trial.resources as { window: object }).window, window);
  return figuresOfTrial(trial).values;
}

const ROWS = {
  'memory-pss': 'pssBytes',
  'memory-guest-mean': 'guestUsedMeanBytes',
  'memory-overhead': 'guestOverheadMeanBytes',
  'memory-guest-after': 'guestUsedAfterBytes',
  'memory-overhead-after': 'guestOverheadAfterBytes',
  'memory-helpers': 'helpersMemoryBytes',
  'cpu-user': 'cpuUserMs',
  'cpu-system': 'cpuSystemMs',
  'cpu-helpers': 'helpersCpuMs',
  'cpu-daemons': 'daemonsCpuMs',
  'cpu-throttled': 'throttledMs',
  'host-busy': 'hostBusyMs',
  'host-unattributed': 'hostUnattributedMs',
  'host-uncertainty': 'hostBalanceUncertaintyMs',
  'host-steal': 'stealShare',
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
    assert.equal(values.has('network-wire-load'), false);
    const load = figuresWith({ networkLoadReceivedBytes: 7, networkLoadSentBytes: 70 });
    assert.equal(load.get('network-wire-load'), 77);
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

describe('rows of storage', () => {
  const sizes = (kind: string, allocatedBytes: unknown, apparentBytes: unknown) => ({
    name: kind,
    kind,
    allocatedBytes,
    apparentBytes,
  });

  function storageOf(parts: object[]) {
    const { trials } = generateBench({ id: 'storage', labels: { bare: BARE }, rounds: 1 });
    return figuresOfTrial({ ...trials[0]!, storage: { parts } } as unknown as TrialRecord).values;
  }

  it('allocated and apparent, shared base and marginal, each the sum of its parts', () => {
    const values = storageOf([
      sizes('shared', 4096, 100),
      sizes('shared', 8192, 200),
      sizes('marginal', 1024, 7),
    ]);
    assert.equal(values.get('storage-shared'), 12_288);
    assert.equal(values.get('storage-shared-apparent'), 300);
    assert.equal(values.get('storage-marginal'), 1024);
    assert.equal(values.get('storage-marginal-apparent'), 7);
  });

  it('a part that could not be read makes its sum unavailable, and no other', () => {
    const unread = { unavailable: 'no permission' };
    const values = storageOf([sizes('shared', unread, 5), sizes('marginal', 1, 1)]);
    assert.deepEqual(values.get('storage-shared'), unread);
    assert.equal(values.get('storage-shared-apparent'), 5);
  });
});

describe('the host in a table', () => {
  it('its rows have scaled units and mark no best value, being the host’s and not a target’s', () => {
    const { bench, trials } = generateBench({
      id: 'host',
      labels: { bare: BARE, docker: DOCKER },
      rounds: 6,
    });
    for (const trial of trials) {
      const { window } = trial.resources as { window: Record<string, unknown> };
      window['hostBusyMs'] = 14_000;
      window['hostUnattributedMs'] = trial.label === 'bare' ? 300 : 600;
      window['hostBalanceUncertaintyMs'] = 70;
      window['stealShare'] = 0.002;
    }
    const comparison = buildComparison([bench, ...trials], {});
    const row = (id: string) => comparison.metrics.find((metric) => metric.id === id)!;
    assert.equal(scaleOf(row('host-busy')).suffix, 's');
    assert.equal(scaleOf(row('host-unattributed')).suffix, 'ms');
    assert.equal(scaleOf(row('host-steal')).suffix, '%');
    for (const id of ['host-busy', 'host-unattributed', 'host-steal']) {
      assert.equal(row(id).best, null, id);
      assert.ok(row(id).pairs.every(({ claimed }) => !claimed));
    }
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
