/** What paths cost, from trials whose figures are known; and what is printed of it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type PathTrial, pathCosts } from '../../cli/bench/path-costs.ts';
import type { ProbeRecord } from '../../cli/record/schema.ts';
import { formatPaths } from '../../cli/report/paths-text.ts';

interface Known {
  startMs?: number;
  p99Us?: number;
  perSecond?: number;
  cpuMs?: number | { unavailable: string };
  helpersMs?: number;
  clientLimited?: boolean;
  saturated?: boolean;
  lowerBounds?: string[];
}

/** 2,000 answered requests: 2 ms of helpers are 1 ms per 1,000. */
function trial(round: number, known: Known): PathTrial {
  const { startMs = 500, p99Us = 2000, perSecond = 9000, cpuMs = 100, helpersMs = 2 } = known;
  const generator = (clientLimited: boolean) => ({ clientLimited, reasons: [] });
  return {
    round,
    slot: 1,
    startUp: { firstHitMs: startMs },
    latency: {
      counts: { answered: 2000 },
      latencyUs: { response: { p50: p99Us / 2, p99: p99Us, lowerBounds: known.lowerBounds ?? [] } },
      generator: generator(known.clientLimited ?? false),
    },
    saturation: { requestsPerSecond: perSecond, generator: generator(known.saturated ?? false) },
    resources: {
      edges: {},
      samples: [],
      window: { cpuMsPer1000Requests: cpuMs, helpersCpuMs: helpersMs },
    },
  } as unknown as PathTrial;
}

const rounds = (n: number, known: (round: number) => Known) =>
  Array.from({ length: n }, (_, i) => trial(i + 1, known(i + 1)));

/** The cheap path takes 100 ms of CPU times what the round made of it, the proxy twice that. */
function twoPaths(n: number, proxy: Known = {}, host: Known = {}) {
  return pathCosts(
    new Map([
      [
        'docker-proxy',
        rounds(n, (r) => ({ cpuMs: 200 * r, p99Us: 3000, perSecond: 4500, ...proxy })),
      ],
      ['host-network', rounds(n, (r) => ({ cpuMs: 100 * r, ...host }))],
    ]),
  );
}

function printed(paths: ReturnType<typeof pathCosts>): string {
  return formatPaths({
    target: { name: 'docker', provider: null, acceleration: null },
    paths,
    pathPlan: { ratePerSecond: 500, rounds: 3, durationMs: 5000, saturationMs: 5000 },
    interrupted: false,
    warnings: [],
  } as unknown as ProbeRecord);
}

describe('what a path costs', () => {
  it('the path with the least CPU is the cheapest, and ratios are paired by round', () => {
    const [proxy, host] = twoPaths(3);
    assert.deepEqual([proxy!.cheapest, host!.cheapest], [false, true]);
    assert.deepEqual(host!.ratios, {});
    const { cpuMsPer1000Requests, saturationPerSecond, responseP99Us } = proxy!.ratios;
    // 2 in every round, though the rounds differ threefold among themselves
    assert.ok(Math.abs((cpuMsPer1000Requests!.ratio as number) - 2) < 1e-9);
    assert.ok(Math.abs((saturationPerSecond!.ratio as number) - 0.5) < 1e-9);
    assert.ok(Math.abs((responseP99Us!.ratio as number) - 1.5) < 1e-9);
    assert.equal(
      (proxy!.figures['cpuMsPer1000Requests']!.summary as { median: number }).median,
      400,
    );
    assert.equal(
      (proxy!.figures['helpersCpuMsPer1000Requests']!.summary as { median: number }).median,
      1,
    );
  });

  it('pairs only the rounds that both have', () => {
    const proxy = rounds(3, (r) => ({ cpuMs: 200 * r }));
    const host = rounds(2, (r) => ({ cpuMs: 100 * r }));
    const [first] = pathCosts(
      new Map([
        ['docker-proxy', proxy],
        ['host-network', host],
      ]),
    );
    assert.equal(first!.ratios['cpuMsPer1000Requests']!.n, 2);
    assert.ok(Math.abs((first!.ratios['cpuMsPer1000Requests']!.ratio as number) - 2) < 1e-9);
  });

  it('without CPU figures the median response decides, and the lack is told', () => {
    const paths = twoPaths(3, { cpuMs: { unavailable: 'no cgroup' } });
    assert.equal(paths[1]!.cheapest, true);
    assert.deepEqual(paths[0]!.figures['cpuMsPer1000Requests']!.summary, {
      unavailable: 'no cgroup',
    });
    assert.match(printed(paths), /unavailable: CPU per 1,000 requests: no cgroup/);
  });

  it('says "no inference" and shows no interval below 6 rounds, both from 6 on', () => {
    const few = printed(twoPaths(3));
    assert.match(few, /no inference: 3 of the 6 rounds/);
    assert.match(few, /2\.00×/);
    assert.doesNotMatch(few, /2\.00× \[/);
    const enough = printed(twoPaths(6));
    assert.doesNotMatch(enough, /no inference/);
    assert.match(enough, /2\.00× \[2\.00, 2\.00\]/);
  });

  it('marks latencies of a limited generator as void and gives them no ratio', () => {
    const paths = twoPaths(6, { clientLimited: true });
    assert.equal(paths[0]!.figures['responseP99Us']!.void, 6);
    assert.match(paths[0]!.ratios['responseP99Us']!.reason!, /6 of the values are void/);
    const text = printed(paths);
    assert.match(text, /3\.00 \(void\)/);
    assert.doesNotMatch(text, /1\.5\d*×/);
  });

  it('marks lower bounds: percentiles among the unanswered, throughput of a full generator', () => {
    const paths = twoPaths(3, {}, { lowerBounds: ['p99'], saturated: true });
    assert.equal(paths[1]!.figures['responseP99Us']!.atLeast, 3);
    assert.equal(paths[1]!.figures['responseP50Us']!.atLeast, 0);
    assert.match(printed(paths), /≥ 9,000/);
  });

  it('one path alone has nothing to compare with', () => {
    const text = printed(pathCosts(new Map([['loopback', rounds(3, () => ({}))]])));
    assert.match(text, /loopback is its only path here/);
    assert.doesNotMatch(text, /×|inference/);
  });

  it('is printed within 100 columns, intervals below their figures where they must', () => {
    const wild = (factor: number) =>
      rounds(6, (r) => ({
        cpuMs: factor * 12_345 * (1 + r / 7),
        p99Us: factor * 1_234_567 * (1 + (r % 3)),
        startMs: factor * 11_111 * (1 + (r % 2)),
      }));
    const text = printed(
      pathCosts(
        new Map([
          ['docker-proxy', wild(31)],
          ['iptables', wild(13)],
          ['host-network', wild(1)],
        ]),
      ),
    );
    const longest = Math.max(
      ...text
        .split('\n')
        .filter((line) => /[│┌└]/.test(line))
        .map((line) => [...line].length),
    );
    assert.ok(longest <= 100, `${longest} columns\n${text}`);
    assert.match(text, /\[31\.0, 31\.0\]/, 'the intervals are there');
  });

  it('a path without helpers is told with 0, without a ratio against nothing', () => {
    const text = printed(twoPaths(3, { helpersMs: 60 }, { helpersMs: 0 }));
    assert.match(text, /of that, helpers +│ ms +│ 30\.0 +│ 0 /);
  });
});
