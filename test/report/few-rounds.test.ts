/** A bench of few rounds on a noisy machine: what is shown of it, and what is not. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { renderHtml } from '../../cli/report/html/page.ts';
import { buildComparison } from '../../cli/report/model.ts';
import { noiseFloorOf } from '../../cli/report/noise-floor.ts';
import { renderComparison } from '../../cli/report/render.ts';
import { formatInterval } from '../../cli/report/units.ts';
import { BARE, type BenchOptions, DOCKER, generateBench } from './bench-generator.ts';

const plain = { color: false, width: 100 };
const labels = { bare: BARE, docker: DOCKER, 'bare#2': BARE };

/** The start-up of the control: 1.1, 10 and 1.2 times that of bare in rounds 1 to 3. */
function noisy(options: BenchOptions = {}) {
  const { bench, trials } = generateBench({
    bare: true,
    durationMs: 1000,
    ratePerSecond: 200,
    labels,
    rounds: 3,
    quick: true,
    noise: 0,
    ...options,
    edit: (trial) => {
      trial.warnings.push(`latency: client-limited (send lag p99 ${trial.slot}.5 ms)`);
      if (trial.label === 'docker') trial.warnings.push('image built from packages');
    },
  });
  const factors = [1.1, 10, 1.2];
  for (const trial of trials) {
    if (trial.label !== 'bare#2') continue;
    const bare = trials.find(({ round, label }) => round === trial.round && label === 'bare')!;
    trial.startUp.firstHitMs = bare.startUp.firstHitMs * factors[(trial.round - 1) % 3]!;
  }
  bench.warnings.push('vm: emulated');
  for (const { warnings } of trials) warnings.push('vm: emulated');
  return buildComparison([bench, ...trials]);
}

const comparison = noisy();
const observed = (1.1 * 10 * 1.2) ** (1 / 3);

describe('the noise floor of fewer than 6 rounds', () => {
  it('is not established: the ratio that was seen stands in its place', () => {
    const floor = noiseFloorOf(comparison)!;
    const start = floor.entries.find(({ name }) => name === 'First valid reply')!;
    assert.ok(Math.abs(start.ratio / observed - 1) < 1e-9);
    assert.equal(start.floorRatio, null);
    for (const pair of comparison.metrics.flatMap(({ pairs }) => pairs)) {
      assert.equal(pair.noiseFloorRatio, null);
    }
  });

  it('is worded so in the table, in Markdown and in HTML', () => {
    const words = /not established: 3 rounds, and it needs 6\. Two identical deployments \(/i;
    const pages = [
      renderComparison(comparison, 'table', plain).replace(/\s+/g, ' '),
      renderComparison(comparison, 'markdown', plain),
      renderHtml(comparison),
    ];
    for (const page of pages) {
      assert.match(page, words);
      assert.doesNotMatch(page, /may differ by up to|Smaller differences are not claimed/);
      assert.ok(page.includes(`${observed.toFixed(2)}×`), 'the observed ratio');
    }
  });

  it('is established from 6 rounds on', () => {
    const floor = noiseFloorOf(noisy({ rounds: 6, quick: false }))!;
    assert.ok(floor.entries.every(({ floorRatio }) => floorRatio !== null && floorRatio >= 1));
  });

  it('is not known where no control ran, and the table says it', () => {
    const without = noisy({ labels: { bare: BARE, docker: DOCKER } });
    assert.equal(noiseFloorOf(without), null);
    assert.match(renderComparison(without, 'table', plain), /^Noise floor: not known/m);
  });
});

describe('the table of a quick bench', () => {
  const text = renderComparison(comparison, 'table', plain);

  it('says "no inference" once a pair, and shows the primary ratios only', () => {
    const table = text.slice(text.indexOf('docker ÷ bare: no inference'), text.indexOf('Warnings'));
    assert.ok(table.length > 0);
    assert.equal(table.match(/no inference/g)!.length, 1);
    const rows = table.split('\n').filter((line) => line.startsWith('│') && !/Metric/.test(line));
    assert.equal(rows.length, 5);
    assert.ok(rows.every((row) => row.includes(' * ')));
    assert.match(table, /^\d+ more ratios, exploratory: --format/m);
  });

  it('has the primary metrics first among the figures', () => {
    const first = text.split('\n').filter((line) => /^│ (?!Metric)/.test(line));
    assert.ok(first.slice(0, 5).every((row) => row.includes(' * ')));
    assert.ok(!first[5]!.includes(' * '));
  });

  it('tells a warning of many trials once, with where it was given', () => {
    const warnings = comparison.warnings.join('\n');
    assert.match(
      warnings,
      /^in 9 of 9 trials \(.*\): e\.g\. latency: client-limited \(send lag p99 \d\.5 ms\)$/m,
    );
    assert.match(warnings, /^docker, in 3 of 3 trials: image built from packages$/m);
    assert.equal(warnings.match(/client-limited/g)!.length, 1);
    // the bench has told it, so its trials do not tell it again
    assert.deepEqual(warnings.match(/^.*emulated.*$/gm), ['vm: emulated']);
  });
});

describe('an interval that says nothing', () => {
  it('is cut where it spans decades, and only there', () => {
    assert.equal(formatInterval([0.00016, 2_540_253]), '[< 0.001, > 1,000]');
    assert.equal(formatInterval([0.04, 1921]), '[0.040, > 1,000]');
    assert.equal(formatInterval([0.00071, 0.00083]), '[0.00071, 0.00083]');
    assert.equal(formatInterval([1200, 1300]), '[1,200, 1,300]');
  });
});
