import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isScratchpadError } from '../../cli/errors.ts';
import { evaluateGates, parseGate } from '../../cli/report/gates.ts';
import { buildComparison } from '../../cli/report/model.ts';
import { renderComparison } from '../../cli/report/render.ts';
import { csvField, htmlText, markdownText, plainText } from '../../cli/report/text.ts';
import {
  digits,
  formatPercent,
  formatRatio,
  formatValue,
  scaleFor,
} from '../../cli/report/units.ts';
import { BARE, type BenchOptions, DOCKER, generateRecords, VM } from './bench-generator.ts';

const small = { bare: true, durationMs: 1000, ratePerSecond: 200 } satisfies BenchOptions;
const three = { bare: BARE, docker: DOCKER, vm: VM, 'bare#2': BARE };
const comparison = buildComparison(
  generateRecords({ ...small, labels: three, voided: { 2: 'vm: steal' } }),
);
const plain = { color: false, width: 100 };
// biome-ignore lint/suspicious/noControlCharactersInRegex: it looks for the escape itself
const ANSI = /\u001b/;

describe('the table', () => {
  it('fits 100 columns, and 80 where the terminal has no more', () => {
    for (const width of [100, 80, 200]) {
      const text = renderComparison(comparison, 'table', { color: false, width });
      const longest = Math.max(...text.split('\n').map((line) => [...line].length));
      assert.ok(longest <= Math.min(100, width), `${longest} columns for ${width}`);
    }
  });

  it('fits also with six targets and long names', () => {
    const labels = Object.fromEntries(
      Array.from({ length: 6 }, (_, i) => [
        `a-rather-long-name-of-a-target-${i}`,
        { ...DOCKER, target: `target-${i}` },
      ]),
    );
    const text = renderComparison(
      buildComparison(generateRecords({ ...small, labels, rounds: 2 })),
      'table',
      plain,
    );
    assert.ok(Math.max(...text.split('\n').map((line) => [...line].length)) <= 100);
    assert.match(text, /a-rather-long-na…/);
  });

  it('fits with four targets and figures of many digits', () => {
    const large = { ...BARE, target: 'large', throughput: 123_456, memoryMiB: 65_000 };
    const labels = { bare: BARE, docker: DOCKER, large, vm: VM, 'bare#2': BARE };
    const records = generateRecords({
      ...small,
      labels,
      noise: 0.4,
      edit: (trial) => {
        trial.latency.latencyUs.response.lowerBounds = ['p50', 'p95', 'p99', 'p999'];
        if (trial.label === 'large') trial.startUp.firstHitMs *= 40_000;
      },
    });
    for (const width of [100, 90, 80]) {
      const text = renderComparison(buildComparison(records), 'table', { color: false, width });
      const columns = (line: string) => Array.from(line).length;
      const longest = text.split('\n').toSorted((a, b) => columns(b) - columns(a))[0]!;
      assert.ok(columns(longest) <= width, `${width}: ${longest}`);
      for (const label of ['bare', 'docker', 'large', 'vm \\(emulated\\)']) {
        assert.match(text, new RegExp(`│ Metric.*│ ${label} `), label);
      }
    }
  });

  it('has colour only where it is asked for', () => {
    assert.doesNotMatch(renderComparison(comparison, 'table', plain), ANSI);
    assert.match(renderComparison(comparison, 'table', { ...plain, color: true }), ANSI);
  });

  it('puts the answers and what limits them before the figures', () => {
    const text = renderComparison(comparison, 'table', plain);
    const order = ['emulated (no hardware', 'docker starts', 'Noise floor', '│ Metric', 'Voided'];
    const positions = order.map((part) => text.indexOf(part));
    assert.ok(
      positions.every((position) => position >= 0),
      positions.join(),
    );
    assert.deepEqual(
      positions,
      [...positions].sort((a, b) => a - b),
    );
  });

  it('says in every table with an emulated machine that it is emulated', () => {
    const text = renderComparison(comparison, 'table', plain);
    for (const line of text
      .split('\n')
      .filter((each) => /^│ Metric.*\bvm\b|^vm\b.* ÷ /.test(each))) {
      assert.match(line, /vm \(emulated\)/);
    }
  });

  it('marks a best value only by a claimed difference', () => {
    const text = renderComparison(comparison, 'table', plain);
    assert.match(text, /First valid reply \*.*✓/);
    assert.doesNotMatch(text, /Answered at offered rate.*✓/);
    const quick = buildComparison(generateRecords({ ...small, rounds: 3, quick: true }));
    assert.doesNotMatch(renderComparison(quick, 'table', plain), /✓/);
  });
});

describe('Markdown', () => {
  const text = renderComparison(comparison, 'markdown', plain);

  it('follows the template: environment, start-up, runtime, then verdicts', () => {
    const headings = [...text.matchAll(/^## (.*)$/gm)].map(([, heading]) => heading);
    assert.deepEqual(headings.slice(0, 5), [
      'Answers',
      'Environment',
      'Start-up',
      'Runtime',
      'Verdicts',
    ]);
  });

  it('has tables whose rows all have as many cells as their head', () => {
    for (const block of text.split('\n\n').filter((each) => each.startsWith('|'))) {
      const cells = block.split('\n').map((row) => row.split(/(?<!\\)\|/).length);
      assert.equal(new Set(cells).size, 1, block);
    }
  });
});

describe('JSON and CSV', () => {
  it('hold the figures of the records in base units', () => {
    const json = JSON.parse(renderComparison(comparison, 'json', plain));
    assert.equal(json.kind, 'comparison');
    assert.equal(json.sources, undefined);
    const [bench] = comparison.sources.current;
    assert.equal(bench!.kind, 'bench');
    const lines = renderComparison(comparison, 'csv', plain).trim().split('\r\n');
    const head = lines[0]!.split(',');
    const rows = lines.slice(1).map((line) => {
      const cells = line.split(/,(?=(?:[^"]*"[^"]*")*[^"]*$)/);
      return Object.fromEntries(head.map((name, i) => [name, cells[i]]));
    });
    const trials = comparison.sources.current.filter((record) => record.kind === 'trial');
    assert.equal(trials.length, 52);
    for (const trial of trials) {
      const row = rows.find(
        (each) => each['record'] === trial.id && each['metric'] === 'start-up',
      )!;
      assert.equal(Number(row['value']), trial.startUp.firstHitMs);
      assert.equal(row['unit'], 'ms');
      assert.equal(row['excluded'] === '', trial.voided === null);
      const p99 = rows.find(
        (each) => each['record'] === trial.id && each['metric'] === 'latency-p99',
      );
      assert.equal(Number(p99!['value']), trial.latency.latencyUs.response.p99);
    }
  });

  it('mark a lower bound wherever it is printed', () => {
    const bounded = buildComparison(
      generateRecords({
        ...small,
        edit: (trial) => {
          const { response } = trial.latency.latencyUs;
          if (trial.label === 'docker') Object.assign(response, { lowerBounds: ['p99', 'max'] });
        },
      }),
    );
    const p99s = bounded.trials.filter(({ label }) => label === 'docker');
    assert.ok(p99s.length > 0 && p99s.every(({ atLeast }) => atLeast.includes('latency-p99')));
    assert.ok(bounded.trials.every((row) => row.label !== 'bare' || row.atLeast.length === 0));
    for (const format of ['table', 'markdown'] as const) {
      assert.match(renderComparison(bounded, format, plain), /p99.*≥ /);
    }
    const csv = renderComparison(bounded, 'csv', plain).trim().split('\r\n');
    const at = csv[0]!.split(',').indexOf('at_least');
    for (const line of csv.slice(1)) {
      const cells = line.split(/,(?=(?:[^"]*"[^"]*")*[^"]*$)/);
      assert.equal(cells.length, csv[0]!.split(',').length, line);
      const isTrial = cells[1] === 'docker' && cells[2] === 'trial';
      const isBound = isTrial && cells.includes('latency-p99');
      if (isBound) assert.equal(cells[at], 'true', line);
      else assert.notEqual(cells[at], 'true', line);
    }
    const detail = renderComparison(bounded, 'markdown', plain)
      .split('\n')
      .filter((line) => /p99.*\| docker \|/.test(line));
    assert.match(detail.join('\n'), /\| ≥ [\d.,]+ \| ≥ [\d.,]+ \| ≥ [\d.,]+ \|/);
  });

  it('say why a figure is missing instead of leaving a zero', () => {
    const text = renderComparison(comparison, 'csv', plain);
    assert.match(text, /network-wire,bytes,exploratory,,loopback is shared/);
  });

  it('have a row for each pair: ratio, interval and verdict', () => {
    const lines = renderComparison(comparison, 'csv', plain).trim().split('\r\n');
    const head = lines[0]!.split(',');
    const cells = lines.map((line) => line.split(/,(?=(?:[^"]*"[^"]*")*[^"]*$)/));
    assert.ok(
      cells.every((row) => row.length === head.length),
      'as many cells as the head',
    );
    const at = (name: string) => head.indexOf(name);
    const pairs = cells.filter((row) => row[at('kind')] === 'pair');
    for (const { id, pairs: expected, control } of comparison.metrics) {
      for (const pair of [...expected, ...(control === null ? [] : [control])]) {
        const row = pairs.find(
          (each) =>
            each[at('metric')] === id &&
            each[at('label')] === pair.a &&
            each[at('versus')] === pair.b,
        );
        assert.ok(row, `${id} ${pair.a} ÷ ${pair.b}`);
        assert.equal(row[at('verdict')], pair.verdict);
        if (pair.ratio === null) {
          assert.equal(row[at('ratio')], '');
          assert.notEqual(row[at('unavailable')], '', 'with the reason');
          continue;
        }
        assert.equal(Number(row[at('ratio')]), pair.ratio);
        assert.equal(Number(row[at('ci_low')]), pair.interval95![0]);
        assert.equal(Number(row[at('ci_high')]), pair.interval95![1]);
        assert.equal(row[at('claimed')], String(pair.claimed));
      }
    }
  });
});

describe('hostile names', () => {
  const evil =
    'x|<script>alert(1)</script>\u001b[31m\n# owned\r@team [a](http://evil) `code` \u202e';
  const hostile = buildComparison(
    generateRecords({
      ...small,
      rounds: 6,
      labels: { bare: BARE, [evil]: { ...DOCKER, target: evil } },
      edit: (trial) => {
        trial.warnings.push(`warning ${evil}`);
        if (trial.label === evil) trial.storage = { unavailable: evil };
      },
    }),
  );

  it('cannot write to the terminal or break a table', () => {
    const text = renderComparison(hostile, 'table', plain);
    assert.doesNotMatch(text, ANSI);
    assert.doesNotMatch(text, /\u202e|\r/);
    assert.ok(text.split('\n').every((line) => [...line].length <= 100));
    assert.ok(!text.split('\n').some((line) => line.startsWith('# owned')));
  });

  it('cannot put HTML, headings, links, mentions or cells into Markdown', () => {
    const text = renderComparison(hostile, 'markdown', plain);
    assert.doesNotMatch(text, ANSI);
    assert.doesNotMatch(text, /<script|\u202e/);
    assert.doesNotMatch(text, /^# owned/m);
    assert.doesNotMatch(text, /@team|[^\\]\]\(http/);
    for (const block of text.split('\n\n').filter((each) => each.startsWith('|'))) {
      const cells = block.split('\n').map((row) => row.split(/(?<!\\)\|/).length);
      assert.equal(new Set(cells).size, 1, block.slice(0, 300));
    }
  });

  it('cannot make a formula or another row in CSV', () => {
    assert.equal(csvField('=1+1'), "'=1+1");
    assert.equal(csvField('a\nb,"c"'), '"a b,""c"""');
    assert.equal(csvField(-5), '-5');
    const rows = renderComparison(hostile, 'csv', plain).trim().split('\r\n');
    assert.ok(rows.every((row) => /^(side|current),/.test(row)));
  });

  it('named like parts of an object are names and nothing else', () => {
    const odd = buildComparison(
      generateRecords({
        ...small,
        rounds: 2,
        labels: { bare: BARE, constructor: { ...DOCKER, target: 'constructor' } },
      }),
    );
    assert.match(renderComparison(odd, 'table', plain), /constructor ÷ bare/);
  });

  it('are one visible line wherever they are printed', () => {
    assert.equal(plainText('a\u001b[2J\u001b]0;title\u0007b\u0000\nc'), 'ab c');
    assert.equal(plainText('x'.repeat(50), 10), 'xxxxxxxxx…');
    assert.equal(markdownText('<b>|*'), '&lt;b&gt;\\|\\*');
    assert.equal(htmlText(`<a href="x">'&`), '&lt;a href=&quot;x&quot;&gt;&#39;&amp;');
  });
});

describe('units', () => {
  it('are scaled to three digits', () => {
    assert.deepEqual([0, 0.0001, 0.0123, 1.234, 12.34, 123.4, 12_345].map(digits), [
      '0',
      '< 0.001',
      '0.0123',
      '1.23',
      '12.3',
      '123',
      '12,345',
    ]);
    assert.equal(formatValue(1500, 'us'), '1.50 ms');
    assert.equal(formatValue(2 ** 20 * 1.5, 'bytes'), '1.50 MiB');
    assert.equal(formatValue(12_000, 'ms'), '12.0 s');
    assert.equal(formatValue(0.001, 'share'), '0.100 %');
    assert.equal(scaleFor('us', []).suffix, 'µs');
  });

  it('keep the digits of a ratio near 1', () => {
    assert.deepEqual([0.012, 0.987, 1.004, 3.146, 31.4, 1234].map(formatRatio), [
      '0.012×',
      '0.987×',
      '1.004×',
      '3.15×',
      '31.4×',
      '1,234×',
    ]);
    assert.deepEqual([0.004, 0.04, 0.155].map(formatPercent), ['0.40 %', '4 %', '16 %']);
  });
});

describe('gates', () => {
  const evaluate = (expression: string) => evaluateGates([parseGate(expression)], comparison);
  const statuses = (expression: string) =>
    evaluate(expression).map(({ a, b, status }) => `${a}/${b} ${status}`);

  it('fail where the whole interval is beyond the limit, and only there', () => {
    assert.deepEqual(statuses('docker/bare: start-up>1.05'), ['docker/bare failed']);
    assert.deepEqual(statuses('docker/bare: start-up>5'), ['docker/bare passed']);
    assert.deepEqual(statuses('docker/bare: throughput<0.95'), ['docker/bare failed']);
    const ratio = comparison.metrics.find(({ id }) => id === 'start-up')!.pairs[0]!.ratio!;
    assert.deepEqual(statuses(`docker/bare: startup>${ratio.toFixed(3)}`), [
      'docker/bare undecided',
    ]);
    assert.deepEqual(
      evaluate(`docker/bare: startup>${ratio.toFixed(3)}`).map(({ passed }) => passed),
      [true],
    );
  });

  it('hold all pairs where no label is named', () => {
    assert.equal(statuses('median>1.05').length, 3);
    assert.deepEqual(statuses('docker: median >= 1.05'), ['docker/bare failed']);
  });

  it('look at the interval, not at what the margin makes of it', () => {
    const slower = { ...BARE, target: 'docker', startUpMs: BARE.startUpMs * 1.03 };
    const labels = { bare: BARE, docker: slower, 'bare#2': BARE };
    const records = generateRecords({ ...small, noise: 0.004, labels });
    const close = buildComparison(records);
    const pair = close.metrics.find(({ id }) => id === 'start-up')!.pairs[0]!;
    assert.equal(pair.verdict, 'equivalent');
    const of = (expression: string, given = close) =>
      evaluateGates([parseGate(expression)], given)[0]!;
    assert.equal(of('startup>1.01').status, 'failed', of('startup>1.01').detail);
    assert.equal(of('startup>1.05').status, 'passed');
    assert.equal(of(`startup>${pair.ratio!.toFixed(4)}`).status, 'undecided');
    assert.match(of(`startup>${pair.ratio!.toFixed(4)}`).detail, /the interval does not decide/);
    assert.equal(of('startup<1.01').status, 'passed');

    const twins = { bare: BARE, docker: { ...BARE, target: 'docker' } };
    const alike = buildComparison(generateRecords({ ...small, labels: twins }), { margin: 0.001 });
    const same = alike.metrics.find(({ id }) => id === 'start-up')!.pairs[0]!;
    assert.equal(same.verdict, 'inconclusive');
    assert.equal(of('startup<1.5', alike).status, 'failed');
    assert.equal(of('startup>1.5', alike).status, 'passed');
  });

  it('fail nothing that two identical deployments were seen to do', () => {
    const slower = { ...BARE, target: 'docker', startUpMs: BARE.startUpMs * 1.03 };
    const noisy = generateRecords({
      ...small,
      noise: 0.004,
      labels: { bare: BARE, docker: slower, 'bare#2': BARE },
      edit: (trial) => {
        if (trial.label === 'bare#2') trial.startUp.firstHitMs *= 1.2;
      },
    });
    const held = buildComparison(noisy);
    assert.equal(held.metrics.find(({ id }) => id === 'start-up')!.pairs[0]!.beyondFloor, false);
    const [result] = evaluateGates([parseGate('startup>1.01')], held);
    assert.deepEqual([result!.status, result!.passed], ['undecided', true]);
    assert.match(result!.detail, /two identical deployments were seen to differ by as much/);
  });

  it('decide nothing of a quick bench, however many rounds it has', () => {
    const quick = buildComparison(generateRecords({ ...small, rounds: 8, quick: true }));
    const [result] = evaluateGates([parseGate('startup>1.05')], quick);
    assert.equal(result!.status, 'undecided');
    assert.match(result!.detail, /quick bench is a smoke test/);
  });

  it('do not decide below six rounds', () => {
    const quick = buildComparison(generateRecords({ ...small, rounds: 3, quick: true }));
    const [result] = evaluateGates([parseGate('startup>1.05')], quick);
    assert.equal(result!.status, 'undecided');
    assert.match(result!.detail, /3 of the 6 rounds/);
  });

  it('are refused where they could never fail', () => {
    for (const wrong of ['p99', 'p99>', 'p99=1', 'nonsense>1.05', 'errors>1', 'p99>0', '']) {
      assert.throws(
        () => parseGate(wrong),
        (error) => isScratchpadError(error) && error.code === 'BAD_FLAG' && !!error.hint,
        wrong,
      );
    }
    assert.throws(
      () => evaluate('podman: p99>1.05'),
      (error) => isScratchpadError(error) && /compares nothing here/.test(error.message),
    );
  });
});
