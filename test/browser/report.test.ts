/** The report in a real browser: what it shows, how it reads, and that it asks nobody for anything. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { type ReportResult, runReport } from '../../cli/report/write-report.ts';
import { platform, requirePlatform } from '../platform/require.ts';
import { BARE, DOCKER, generateBench, VM } from '../report/bench-generator.ts';

// what runs inside of the page is checked there; the DOM's types stay out of the whole program
// biome-ignore lint/suspicious/noExplicitAny: see above
declare const document: any;
declare function getComputedStyle(element: unknown): Record<string, string>;

const axeSource = readFileSync(
  join(createRequire(import.meta.url).resolve('axe-core'), '..', 'axe.min.js'),
  'utf8',
);
const folder = mkdtempSync(join(tmpdir(), 'scratchpad-report-'));
const evil = '<img src=x onerror=alert(1)>|"';
let browser: Browser | undefined;
let full: ReportResult;
let report = '';
let hostile = '';
let index = '';

interface AxeViolation {
  id: string;
  nodes: Array<{ html: string }>;
}

function writeBenchFiles(options: Parameters<typeof generateBench>[0], name: string) {
  const { bench, trials } = generateBench(options);
  const place = join(folder, name);
  mkdirSync(place);
  bench.trials = trials.map((_, i) => `trial-${i}.json`);
  writeFileSync(join(place, 'bench.json'), JSON.stringify(bench));
  trials.forEach((trial, i) => {
    writeFileSync(join(place, `trial-${i}.json`), JSON.stringify(trial));
  });
  return { place, trials };
}

const { place: fullFolder, trials } = writeBenchFiles(
  {
    labels: { bare: BARE, docker: DOCKER, vm: VM, 'bare#2': BARE },
    rounds: 8,
    durationMs: 30_000,
    voided: { 2: 'vm: steal 3 %' },
  },
  'bench-full',
);
const { place: hostileFolder } = writeBenchFiles(
  {
    labels: { bare: BARE, [evil]: { ...DOCKER, target: evil } },
    rounds: 3,
    quick: true,
    seed: 2,
    durationMs: 5000,
    edit: (trial) => trial.warnings.push(evil),
  },
  'bench-hostile',
);

before(async () => {
  if (!platform('browser').ok) return;
  full = await runReport({ bench: fullFolder });
  report = pathToFileURL(full.report).href;
  const written = await runReport({ bench: hostileFolder });
  hostile = pathToFileURL(written.report).href;
  index = pathToFileURL(written.index).href;
  browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    // no sandbox of its own for root, as in a CI container; the page is ours
    args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
  });
});

after(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Opens `url`, and fails where the page said, threw or requested anything. */
async function withPage(
  url: string,
  options: BrowserContextOptions,
  body: (page: Page) => Promise<void>,
): Promise<void> {
  const context = await browser!.newContext(options);
  const page = await context.newPage();
  const said: string[] = [];
  page.on('console', (message) => said.push(`console: ${message.text()}`));
  page.on('pageerror', (error) => said.push(`error: ${error.message}`));
  page.on('dialog', (dialog) => {
    said.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on('request', (request) => {
    if (!request.url().startsWith('file:')) said.push(`request: ${request.url()}`);
  });
  try {
    await page.goto(url);
    await body(page);
    assert.deepEqual(said, []);
  } finally {
    await context.close();
  }
}

const desktop = { viewport: { width: 1280, height: 900 } };

describe('the report in Chromium', () => {
  it('opens without an error, a message or a request, all pictures drawn', async (t) => {
    if (!requirePlatform(t, 'browser')) return;
    await withPage(report, desktop, async (page) => {
      const pictures = page.locator('figure svg');
      const count = await pictures.count();
      assert.ok(count >= 14, `${count} pictures`);
      for (let i = 0; i < count; i++) {
        const box = await pictures.nth(i).boundingBox();
        assert.ok(box !== null && box.width > 300 && box.height > 60, `picture ${i}`);
        const shapes = await pictures.nth(i).locator('path, rect, polygon, circle').count();
        assert.ok(shapes > 5, `picture ${i} has ${shapes} shapes`);
      }
      const stroke = await page
        .locator('#latency-percentiles svg [stroke="var(--s0)"]')
        .first()
        .evaluate((element) => getComputedStyle(element).stroke);
      assert.equal(stroke, 'rgb(0, 114, 178)', 'the variable is resolved');
    });
  });

  it('has question, answers, noise floor and limits on the first screen', async (t) => {
    if (!requirePlatform(t, 'browser')) return;
    await withPage(report, desktop, async (page) => {
      for (const text of [
        'what do bare, docker and vm cost',
        'docker starts',
        'Two identical deployments',
        'vm with hardware acceleration: this host ran it emulated',
        'These figures say nothing about VMs in general',
      ]) {
        const box = await page.getByText(text).first().boundingBox();
        assert.ok(box !== null && box.y + box.height <= 900, `"${text}" is at ${box?.y}`);
      }
    });
  });

  it('shows the numbers of the records', async (t) => {
    if (!requirePlatform(t, 'browser')) return;
    await withPage(report, desktop, async (page) => {
      const cells = await page.locator('td[data-metric]').evaluateAll((elements) =>
        elements.map((element) => ({
          metric: element.getAttribute('data-metric'),
          label: element.getAttribute('data-label'),
          value: Number(element.getAttribute('data-value')),
          text: element.textContent ?? '',
        })),
      );
      const used = trials.filter(({ voided }) => voided === null);
      const medianOf = (values: number[]) => {
        const sorted = values.sort((a, b) => a - b);
        return (sorted[3]! + sorted[4]!) / 2; // of 8 rounds
      };
      for (const label of ['bare', 'docker', 'vm', 'bare#2']) {
        const own = used.filter((trial) => trial.label === label);
        const cell = (metric: string) =>
          cells.find((each) => each.metric === metric && each.label === label)!;
        const startUp = medianOf(own.map(({ startUp }) => startUp.firstHitMs));
        assert.equal(cell('start-up').value, startUp);
        const p99 = medianOf(own.map(({ latency }) => latency.latencyUs.response.p99));
        assert.equal(cell('latency-p99').value, p99);
        // what is read is the same figure, scaled: ms in the row of p99
        assert.ok(
          Math.abs(Number.parseFloat(cell('latency-p99').text) * 1000 - p99) <= p99 * 0.01,
          `${cell('latency-p99').text} for ${p99} µs`,
        );
      }
    });
  });

  it('reads whole with JavaScript off', async (t) => {
    if (!requirePlatform(t, 'browser')) return;
    await withPage(report, { ...desktop, javaScriptEnabled: false }, async (page) => {
      assert.ok((await page.locator('figure svg').count()) >= 14);
      assert.equal(await page.locator('.tools').isVisible(), false, 'no button without effect');
      await page.locator('#latency-percentiles summary').click();
      assert.ok(await page.locator('#latency-percentiles table').isVisible());
    });
  });

  it('is better with it: theme, one target brought forward, all tables at once', async (t) => {
    if (!requirePlatform(t, 'browser')) return;
    await withPage(report, desktop, async (page) => {
      const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
      const light = await background();
      await page.locator('#theme').click();
      assert.notEqual(await background(), light);
      await page.getByRole('button', { name: 'docker' }).click();
      const faded = await page
        .locator('#latency-percentiles svg [stroke="var(--s0)"]')
        .first()
        .evaluate((element) => getComputedStyle(element).opacity);
      assert.equal(faded, '0.12');
      await page.locator('#tables').click();
      assert.equal(await page.locator('details:not([open])').count(), 0);
    });
  });

  it('can be used by keyboard alone', async (t) => {
    if (!requirePlatform(t, 'browser')) return;
    await withPage(report, desktop, async (page) => {
      await page.keyboard.press('Tab');
      const outline = await page.evaluate(
        () => getComputedStyle(document.activeElement).outlineStyle,
      );
      assert.equal(outline, 'solid', 'the focus is seen');
      const focusable = await page.locator('a, button, summary, [tabindex="0"]').count();
      const reached = new Set<string>();
      for (let i = 0; i < focusable + 5; i++) {
        reached.add(
          await page.evaluate(() => {
            const element = document.activeElement;
            return `${element.tagName} ${element.textContent?.slice(0, 40)} ${element.getAttribute('aria-label') ?? ''}`;
          }),
        );
        await page.keyboard.press('Tab');
      }
      assert.ok([...reached].some((name) => name.startsWith('SUMMARY')));
      assert.ok([...reached].some((name) => name.includes('Latency by percentile')));
    });
  });

  for (const colorScheme of ['light', 'dark'] as const) {
    it(`has no violation that axe finds, ${colorScheme}`, async (t) => {
      if (!requirePlatform(t, 'browser')) return;
      await withPage(report, { ...desktop, colorScheme, bypassCSP: true }, async (page) => {
        await page.locator('#tables').click();
        await page.evaluate(axeSource);
        const violations = await page.evaluate(async () => {
          // biome-ignore lint/suspicious/noExplicitAny: axe puts itself on the window
          const { violations } = await (globalThis as any).axe.run();
          return violations as AxeViolation[];
        });
        const found = violations.map(
          ({ id, nodes }) =>
            `${id}: ${nodes
              .slice(0, 3)
              .map(({ html }) => html.slice(0, 160))
              .join(' | ')}`,
        );
        assert.deepEqual(found, []);
      });
    });
  }

  it('fits a phone: only pictures and tables scroll sideways', async (t) => {
    if (!requirePlatform(t, 'browser')) return;
    await withPage(report, { viewport: { width: 390, height: 844 } }, async (page) => {
      const width = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.equal(width, 390);
    });
  });

  it('prints in the light theme, with everything that scrolls laid out', async (t) => {
    if (!requirePlatform(t, 'browser')) return;
    await withPage(report, { ...desktop, colorScheme: 'dark' }, async (page) => {
      await page.emulateMedia({ media: 'print' });
      const background = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
      assert.equal(background, 'rgb(255, 255, 255)');
      assert.equal(await page.locator('.tools').isVisible(), false);
      const pdf = await page.pdf({ format: 'A4' });
      const pages = pdf.toString('latin1').match(/\/Type\s*\/Page\b/g)?.length ?? 0;
      assert.ok(pages >= 3 && pages <= 25, `${pages} pages`);
    });
  });

  it('shows hostile names as text', async (t) => {
    if (!requirePlatform(t, 'browser')) return;
    await withPage(hostile, desktop, async (page) => {
      assert.equal(await page.locator('img').count(), 0);
      assert.ok((await page.getByText(evil).count()) > 3);
    });
  });

  it('links to each raw record beside it, and from the index to each report', async (t) => {
    if (!requirePlatform(t, 'browser')) return;
    await withPage(index, desktop, async (page) => {
      const links = page.locator('table').first().getByRole('link');
      assert.equal(await links.count(), 2);
      await links.first().click();
      await page.waitForURL(/report\.html$/);
      await page.locator('#tables').click();
      const hrefs = await page
        .locator('#section-method a')
        .evaluateAll((anchors) =>
          anchors.map((anchor) => (anchor as unknown as { href: string }).href),
        );
      assert.ok(hrefs.length > 0);
      for (const href of hrefs)
        assert.equal(JSON.parse(readFileSync(new URL(href), 'utf8')).kind, 'trial');
    });
  });

  it('leaves Markdown, CSV and the summary as SVG and PNG beside the page', async (t) => {
    if (!requirePlatform(t, 'browser')) return;
    assert.equal(full.noPng, null);
    assert.deepEqual(
      full.files.map((file) => relative(fullFolder, file)),
      ['figures.csv', 'report.md', 'summary.svg', 'summary.png'],
    );
    const png = readFileSync(join(fullFolder, 'summary.png'));
    assert.equal(png.toString('latin1', 1, 4), 'PNG');
    assert.equal(png.readUInt32BE(16), 2 * 660, 'as wide as the picture, at double density');
    assert.ok(png.length > 20_000, 'it is not blank');
    assert.match(
      readFileSync(join(fullFolder, 'report.md'), 'utf8'),
      /!\[.*\]\(\.\/summary\.svg\)/,
    );
  });
});
