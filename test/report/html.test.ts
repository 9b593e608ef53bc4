import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { fromBase64 } from '../../cli/load/histogram-export.ts';
import { html } from '../../cli/report/html/markup.ts';
import { renderHtml } from '../../cli/report/html/page.ts';
import { renderIndex } from '../../cli/report/index-page.ts';
import { buildComparison } from '../../cli/report/model.ts';
import { renderSummarySvg } from '../../cli/report/summary-svg.ts';
import { BARE, DOCKER, generateLoad, generateRecords, VM } from './bench-generator.ts';

const full = buildComparison(
  generateRecords({
    labels: { bare: BARE, docker: DOCKER, vm: VM, 'bare#2': BARE },
    rounds: 12,
    durationMs: 60_000,
    voided: { 4: 'docker: steal 2 %' },
  }),
);
const page = renderHtml(full);

function hashOf(tag: 'style' | 'script'): string {
  const text = new RegExp(`<${tag}>([\\s\\S]*?)</${tag}>`).exec(page)![1]!;
  return createHash('sha256').update(text).digest('base64');
}

/** As assert.match and doesNotMatch, without printing half a megabyte where they fail. */
function within(text: string, pattern: RegExp): void {
  assert.ok(pattern.test(text), `nothing matches ${pattern}`);
}
function without(text: string, pattern: RegExp): void {
  assert.equal(pattern.exec(text)?.[0], undefined);
}

describe('the report page', () => {
  it('is one file under 1 MB that names nothing outside of itself', () => {
    assert.ok(Buffer.byteLength(page) < 1_000_000, String(Buffer.byteLength(page)));
    without(page, /<(?:link|img|iframe|object|embed)\b/);
    const addresses = page.match(/(?:href|src)="(?!#)[^"]*"/g) ?? [];
    assert.deepEqual(addresses, []);
  });

  it('has a policy that allows its own style and script by hash, and nothing else', () => {
    const policy = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(page)![1]!;
    within(policy, /^default-src 'none'; /);
    assert.ok(policy.includes(`style-src 'sha256-${hashOf('style')}'`));
    assert.ok(policy.includes(`script-src 'sha256-${hashOf('script')}'`));
    without(policy, /unsafe|\*|https?:/);
    assert.equal(page.match(/<script/g)!.length, 1);
    // a style attribute would be blocked by the policy
    without(page, / style="/);
    without(page, / on[a-z]+="/);
  });

  it('gives every picture words, a title, its N and the table that is behind it', () => {
    const figures = page.match(/<figure [\s\S]*?<\/figure>/g)!;
    assert.ok(figures.length >= 14, String(figures.length));
    for (const figure of figures) {
      within(figure, /<svg role="img" aria-label="[^"]{20,}"/);
      within(figure, /<h3>[^<]+<\/h3>/);
      within(figure, /trial|round/);
      // outside of what is folded away: paper shows it too
      within(figure.replace(/<details>[\s\S]*?<\/details>/, ''), /class="source">Data: [a-zA-Z]/);
    }
    assert.equal(figures.filter((figure) => figure.includes('<table>')).length, figures.length);
  });

  it('draws in variables of the theme: no stand-in colour is left', () => {
    without(page, /(?:fill|stroke)="(?:#5e[0-9a-f]{4}|rgb\(94,)/);
  });

  it('shows the digits of ratios and intervals in its pictures as they are', () => {
    const pair = full.metrics.find(({ id }) => id === 'latency-p99')!.pairs[0]!;
    assert.ok(page.includes(`>${pair.ratio!.toFixed(3)} [`), 'the label of the forest plot');
  });

  it('is not larger than 1 MB for 100 rounds either, and says what it leaves out', () => {
    const hundred = renderHtml(
      buildComparison(generateRecords({ rounds: 100, durationMs: 12_000, ratePerSecond: 8 })),
    );
    assert.ok(Buffer.byteLength(hundred) < 1_000_000, String(Buffer.byteLength(hundred)));
    within(hundred, /\(100, 24 shown\)/);
    within(hundred, /Each row is 7 rounds/);
  });

  it('links to raw records only where it is told where they lie', () => {
    const linked = renderHtml(full, { linkTo: (id) => `./${encodeURIComponent(id)}.json` });
    assert.equal(linked.match(/<a href="\.\/2026[^"]*\.json"/g)!.length, 52);
  });
});

describe('records that lack something', () => {
  it('give a page of a single load without claims', () => {
    const single = renderHtml(buildComparison([generateLoad(DOCKER, { durationMs: 10_000 })]));
    within(single, /nothing to compare. What was measured:/);
    within(single, /<span>Latency, p99<\/span><span>\d/);
    without(single, /Noise floor/);
    // no link leads to a section that is not there
    for (const [, id] of single.matchAll(/href="#([^"]+)"/g)) {
      assert.ok(single.includes(`id="${id}"`), id);
    }
    without(single, /id="section-verdicts"/);
    within(single, /id="latency-percentiles"/);
  });

  it('say that a histogram is missing instead of drawing an empty picture', () => {
    const load = generateLoad(DOCKER, { durationMs: 10_000 });
    load.latencyUs.response.histogram = 'not a histogram';
    assert.match(renderHtml(buildComparison([load])), /No latency histogram in these records/);
  });

  it('leave out resources that were not read', () => {
    const text = renderHtml(
      buildComparison(
        generateRecords({
          rounds: 2,
          durationMs: 5000,
          edit: (trial) => {
            trial.resources = { unavailable: 'no cgroup' };
            trial.storage = { unavailable: 'no du' };
            trial.startUp.phases = [];
          },
        }),
      ),
    );
    without(text, /id="storage"|Working set<\/text>/);
    within(text, /start to first valid reply/);
    within(text, /no cgroup/);
  });
});

describe('hostile strings', () => {
  const evil = '</script><script>alert(1)</script><img src=x onerror=alert(2)>"\'\u001b[31m\u202e';

  it('stay text on the page, in pictures, and in attributes', () => {
    const text = renderHtml(
      buildComparison(
        generateRecords({
          rounds: 6,
          durationMs: 5000,
          labels: { bare: BARE, [evil]: { ...DOCKER, target: evil, path: evil } },
          edit: (trial) => {
            trial.warnings.push(evil);
            trial.startUp.phases[0]!.name = evil;
            trial.host.summary = evil;
            if (trial.label === evil) trial.storage = { unavailable: evil };
          },
        }),
      ),
      { linkTo: () => evil },
    );
    assert.equal(text.match(/<script/g)!.length, 1);
    without(text, /<img|\u202e/);
    assert.ok(!text.includes('\u001b'));
    assert.ok(!text.includes('onerror=alert(2)>"'));
  });

  it('are escaped by construction', () => {
    assert.equal(
      html`<p title="${'"><b>'}">${['<i>', html`<u>${'&'}</u>`]}${null}${0}</p>`.text,
      '<p title="&quot;&gt;&lt;b&gt;">&lt;i&gt;<u>&amp;</u>0</p>',
    );
  });
});

describe('the index of benches', () => {
  it('lists all, newest first, draws trends of one machine, and names what it cannot read', () => {
    const bench = (seed: number, day: number, fingerprint = 'f1f1') =>
      buildComparison(
        generateRecords({
          bare: true,
          rounds: 2,
          durationMs: 1000,
          seed,
          fingerprint,
          startedAt: `2026-11-0${day}T00:00:00.000Z`,
        }),
      );
    const entries = [bench(1, 1), bench(2, 3), bench(3, 2, 'other')].map((comparison) => ({
      comparison,
      reportHref: `./bench-${comparison.bench!.id}/report.html`,
      folderHref: './bench/bench.json',
    }));
    const text = renderIndex(entries, [{ name: 'broken', reason: 'bench.json is not JSON' }]);
    const dates = [...text.matchAll(/<td>(2026-11-0\d)/g)].map(([, date]) => date);
    assert.deepEqual(dates, ['2026-11-03', '2026-11-02', '2026-11-01']);
    assert.equal(text.match(/<svg role="img"/g)!.length, 5);
    within(text, /benches of other machines, not drawn: 1/);
    within(text, /broken: bench\.json is not JSON/);
    assert.match(renderIndex([]), /No bench has been run here yet/);
  });
});

describe('the summary picture', () => {
  it('stands alone, small, with words for who does not see it', () => {
    const svg = renderSummarySvg(full)!;
    assert.ok(Buffer.byteLength(svg) < 30_000, String(Buffer.byteLength(svg)));
    within(svg, /^<svg [^>]*role="img" aria-label="docker ÷ bare: First valid reply: /);
    within(svg, /emulated \(no hardware acceleration\)/);
    without(svg, /<image|href=|url\(/);
  });

  it('does not exist where nothing was compared', () => {
    assert.equal(
      renderSummarySvg(buildComparison([generateLoad(DOCKER, { durationMs: 2000 })])),
      null,
    );
  });
});

describe('latency pictures', () => {
  it('are drawn from the histograms as the load writes them, merged over the trials', () => {
    const bare = full.sources.current.flatMap((record) =>
      record.kind === 'trial' && record.label === 'bare' && record.voided === null
        ? [record.latency.latencyUs.response]
        : [],
    );
    const merged = bare
      .map(({ histogram }) => fromBase64(histogram))
      .reduce((sum, each) => sum.merge(each));
    const table = /id="latency-percentiles"[\s\S]*?<\/figure>/.exec(page)![0];
    const row = /<th scope="row">p99<\/th><td>([\d.]+)<\/td>/.exec(table)!;
    assert.equal(row[1], (merged.percentile(99) / 1000).toFixed(3));
    assert.ok(table.includes(merged.count.toLocaleString('en-US')), 'its N');
  });
});
