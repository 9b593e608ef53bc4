/**
 * The pages in real Chromium: a user's flows with scripts off, by keyboard, from another site; axe
 * without violations in light and dark, wide and narrow; nothing moves while a page loads.
 *
 * SCRATCHPAD_SCREENSHOTS=FOLDER keeps pictures of every page.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { buildWorkload } from '../../scripts/build-workload.ts';
import { type RunningServer, root, startServer } from '../contract/server.ts';

const executablePath = [
  process.env['SCRATCHPAD_CHROMIUM'],
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
].find((path) => path !== undefined && existsSync(path) && !startsSnap(path));
const skip = executablePath === undefined ? 'no Chromium: apt-get install chromium' : false;
const axeSource = readFileSync(
  createRequire(import.meta.url).resolve('axe-core/axe.min.js'),
  'utf8',
);
/** Ubuntu's: a script in the place of Chromium, whose snap cannot read what a test writes to /tmp. */
function startsSnap(path: string): boolean {
  const { size } = statSync(path);
  return size < 64 * 1024 && readFileSync(path, 'latin1').includes('/snap/bin');
}

const screenshots = process.env['SCRATCHPAD_SCREENSHOTS'];

const DESKTOP = { width: 1280, height: 800 };
const PHONE = { width: 360, height: 740 };

describe('the pages in Chromium', { skip }, () => {
  let server: RunningServer;
  let browser: Browser;
  before(async () => {
    if (!existsSync(join(root, 'dist', 'workload', 'artifact.json'))) await buildWorkload();
    server = await startServer({ env: { SCRATCHPAD_SEED: '1' } });
    browser = await chromium.launch({
      executablePath: executablePath!,
      args: ['--no-sandbox', '--disable-dev-shm-usage'],
    });
    if (screenshots !== undefined) mkdirSync(screenshots, { recursive: true });
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
  });

  /** A fresh browser window at the index; closed again afterwards. */
  async function visit(
    use: (page: Page) => Promise<void>,
    options: BrowserContextOptions = {},
  ): Promise<void> {
    const context = await browser.newContext({ viewport: DESKTOP, ...options });
    try {
      const page = await context.newPage();
      page.setDefaultTimeout(10_000);
      const refused: string[] = [];
      page.on('console', (message) => {
        if (message.type() === 'error') refused.push(message.text());
      });
      await page.goto(server.url);
      await use(page);
      // 403 and 404 are told on the console too; what the policy blocks must not be.
      assert.deepEqual(
        refused.filter((text) => /Content Security Policy|violates/.test(text)),
        [],
      );
    } finally {
      await context.close();
    }
  }

  async function createPost(title: string, content = ''): Promise<number> {
    const reply = await fetch(new URL('/api/posts', server.url), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ title, content }),
    });
    return ((await reply.json()) as { id: number }).id;
  }

  test('without scripts: write, read, edit and delete a post', async () => {
    await visit(
      async (page) => {
        await page.getByRole('link', { name: 'New Post' }).click();
        await page.getByLabel('Title').fill('Shopping & <more>');
        await page.getByLabel('Content').fill('milk\n  bread');
        await page.getByRole('button', { name: 'Submit' }).click();
        assert.equal(new URL(page.url()).pathname, '/');
        await page.getByRole('link', { name: 'Shopping & <more>', exact: true }).click();
        assert.equal(
          await page.getByRole('heading', { level: 1 }).textContent(),
          'Shopping & <more>',
        );
        assert.equal(await page.locator('.content').textContent(), 'milk\n  bread');

        await page.getByRole('main').getByRole('link', { name: 'Edit' }).click();
        assert.equal(await page.getByLabel('Content').inputValue(), 'milk\n  bread');
        await page.getByLabel('Title').fill('Shopping, done');
        await page.getByRole('button', { name: 'Submit' }).click();
        await page.getByRole('link', { name: 'Edit Shopping, done' }).click();
        await page.getByText('Delete this post').click();
        await page.getByRole('button', { name: 'Delete Post' }).click();
        assert.equal(
          await page.getByRole('status').textContent(),
          '"Shopping, done" was successfully deleted!',
        );
        assert.match(await page.title(), /^"Shopping, done" was successfully deleted! · Posts · /);
        await page.reload();
        assert.equal(await page.getByRole('status').count(), 0, 'the message is shown once');
      },
      { javaScriptEnabled: false },
    );
  });

  test('a form without a title comes back with the fault in focus and what was typed', async () => {
    await visit(async (page) => {
      await page.goto(new URL('/create', server.url).href);
      await page.getByLabel('Content').fill('not lost');
      await page.getByRole('button', { name: 'Submit' }).click();
      const summary = page.getByRole('alert');
      assert.match((await summary.textContent())!, /Title is required!/);
      assert.ok(await summary.evaluate((node) => node === node.ownerDocument.activeElement));
      assert.match(await page.title(), /^Error: /);
      assert.equal(await page.getByLabel('Content').inputValue(), 'not lost');
      const title = page.getByLabel('Title');
      assert.equal(await title.getAttribute('aria-invalid'), 'true');
      await summary.getByRole('link').click();
      assert.ok(await title.evaluate((node) => node === node.ownerDocument.activeElement));
      // The link has put a fragment into the address, before which autofocus gives way.
      await title.fill('x'.repeat(301));
      await page.getByRole('button', { name: 'Submit' }).click();
      assert.match((await summary.textContent())!, /at most 300 characters; this one has 301/);
      assert.ok(await summary.evaluate((node) => node === node.ownerDocument.activeElement));
      await title.fill('Not lost');
      await page.getByRole('button', { name: 'Submit' }).click();
      assert.equal(page.url(), server.url);
    });
  });

  test('a click on text, which gives the focus to the content, draws no ring around it', async () => {
    await visit(async (page) => {
      await page.getByRole('heading', { level: 1 }).click();
      await page.keyboard.press('Shift');
      const main = page.getByRole('main');
      assert.ok(await main.evaluate((node) => node === node.ownerDocument.activeElement));
      assert.equal(
        await main.evaluate('getComputedStyle(document.activeElement).outlineStyle'),
        'none',
      );
    });
  });

  test('right-to-left text runs from the right, line by line, also while it is typed', async () => {
    const id = await createPost('مرحبا بالعالم.', 'مرحبا.\nLatin (v2.0)!');
    await visit(async (page) => {
      /** How far the first line of text ends from the right edge of what holds it. */
      const gap = (selector: string) =>
        page
          .locator(selector)
          .first()
          .evaluate((node) => {
            const range = node.ownerDocument.createRange();
            range.selectNodeContents(node);
            const parts = [...range.getClientRects()];
            const line = parts.filter(({ top }) => top === parts[0]!.top);
            const end = Math.max(...line.map(({ right }) => right));
            return node.getBoundingClientRect().right - end;
          });
      assert.ok((await gap('.posts h2 a')) < 2);
      await page.goto(new URL(`/${id}`, server.url).href);
      assert.ok((await gap('h1')) < 2);
      assert.ok((await gap('.content')) < 2);
      await page.goto(new URL(`/${id}/edit`, server.url).href);
      for (const label of ['Title', 'Content']) {
        assert.ok(await page.getByLabel(label).evaluate((node) => node.matches(':dir(rtl)')));
      }
    });
  });

  test('on a narrow phone the way to edit stays beside the time', async () => {
    await createPost('Narrow');
    await visit(
      async (page) => {
        const item = page.getByRole('listitem').first();
        await item.locator('time').evaluate((node) => {
          node.textContent = '2026-11-30 14:55:00 UTC · 12 minutes ago';
        });
        const time = (await item.locator('time').boundingBox())!;
        const edit = (await item.getByRole('link', { name: /^Edit/ }).boundingBox())!;
        assert.ok(edit.x >= time.x + time.width && edit.y < time.y + time.height);
        assert.ok(edit.height >= 24, 'high enough for a finger');
      },
      { viewport: { width: 320, height: 640 } },
    );
  });

  test('the keyboard alone is enough, and the focus can be seen', async () => {
    await visit(async (page) => {
      await page.keyboard.press('Tab');
      const skipLink = page.getByRole('link', { name: 'Skip to content' });
      assert.ok(await skipLink.evaluate((node) => node === node.ownerDocument.activeElement));
      assert.ok(
        (await skipLink.boundingBox())!.x >= 0,
        'the skip link shows when it has the focus',
      );
      await page.keyboard.press('Tab');
      await page.keyboard.press('Tab');
      const outline = await page.evaluate(
        'getComputedStyle(document.activeElement).outlineStyle + getComputedStyle(document.activeElement).outlineWidth',
      );
      assert.equal(outline, 'solid3px');
      await page.keyboard.press('Enter');
      await page.waitForURL('**/create');
      await page.getByLabel('Title').focus();
      await page.keyboard.type('By keyboard');
      await page.keyboard.press('Enter');
      await page.waitForURL(server.url);
      assert.ok(await page.getByRole('link', { name: 'By keyboard', exact: true }).isVisible());
    });
  });

  test('pages of posts are walked with links, there and back', async () => {
    for (let i = 0; i < 25; i++) await createPost(`Walk ${i}`);
    await visit(async (page) => {
      assert.equal(await page.getByRole('listitem').count(), 20);
      const current = page.locator('nav a[aria-current=page]');
      assert.equal(await current.count(), 1);
      await page.getByRole('link', { name: 'Older posts' }).click();
      assert.match(await page.title(), /^Older posts · /);
      assert.equal(await current.count(), 0, 'the bar leads to another page');
      assert.ok(await page.getByRole('link', { name: 'First Post', exact: true }).isVisible());
      await page.getByRole('link', { name: 'Newer posts' }).click();
      assert.ok(await page.getByRole('link', { name: 'Walk 24', exact: true }).isVisible());
      assert.equal(await page.getByRole('link', { name: 'Newer posts' }).count(), 0);
    });
  });

  test('a form on another site cannot write, though the browser sends it', async () => {
    const evil = createServer((_, response) => {
      response.setHeader('content-type', 'text/html');
      response.end(
        `<form method="post" action="${server.url}create"><input name="title" value="Forged"><button>Go</button></form>`,
      );
    }).listen(0, '127.0.0.1');
    await once(evil, 'listening');
    const { port } = evil.address() as { port: number };
    try {
      await visit(async (page) => {
        // Another site by name (localhost), and the same site on another port.
        for (const host of ['localhost', '127.0.0.1']) {
          await page.goto(`http://${host}:${port}/`);
          const [response] = await Promise.all([
            page.waitForResponse((reply) => reply.request().method() === 'POST'),
            page.getByRole('button').click(),
          ]);
          assert.equal(response.status(), 403, host);
        }
        await page.goto(server.url);
        assert.equal(await page.getByRole('link', { name: 'Forged' }).count(), 0);
      });
    } finally {
      evil.closeAllConnections();
      evil.close();
    }
  });

  test('axe finds nothing, in light and dark, wide and narrow; nothing is wider than the screen', async () => {
    const id = await createPost(
      `A long title ${'that goes on '.repeat(8)}`,
      `${'word '.repeat(200)}\n${'w'.repeat(300)}`,
    );
    const pages = {
      index: '/',
      post: `/${id}`,
      create: '/create',
      edit: `/${id}/edit`,
      missing: '/999999999',
    };
    for (const [colorScheme, viewport] of [
      ['light', DESKTOP],
      ['dark', PHONE],
    ] as const) {
      await visit(
        async (page) => {
          const look = async (name: string): Promise<void> => {
            const size = viewport === PHONE ? 'phone' : 'desktop';
            const violations = (await page.evaluate(
              `${axeSource}; axe.run(document, { resultTypes: ['violations'] }).then((result) =>
                   result.violations.map(({ id, nodes }) => id + ': ' + nodes.map((n) => n.html).join(' ')))`,
            )) as string[];
            assert.deepEqual(violations, [], `${name}, ${colorScheme}, ${size}`);
            const overflow = await page.evaluate(
              'document.documentElement.scrollWidth - document.documentElement.clientWidth',
            );
            assert.equal(overflow, 0, `${name}, ${size}: wider than the screen`);
            if (screenshots !== undefined) {
              const path = join(screenshots, `${name}-${colorScheme}-${size}.png`);
              await page.screenshot({ path });
            }
          };
          for (const [name, path] of Object.entries(pages)) {
            await page.goto(new URL(path, server.url).href);
            await look(name);
          }
          await page.goto(new URL('/create', server.url).href);
          await page.getByRole('button', { name: 'Submit' }).click();
          await look('fault');
          await page.goto(new URL(`/${await createPost('Bye')}/edit`, server.url).href);
          await page.getByText('Delete this post').click();
          await look('delete');
          await page.getByRole('button', { name: 'Delete Post' }).click();
          await look('deleted');
        },
        { colorScheme, viewport },
      );
    }
  });

  test('nothing moves while a page loads', async () => {
    await visit(async (page) => {
      for (const path of ['/', '/create']) {
        await page.goto(new URL(path, server.url).href);
        const shift = await page.evaluate(
          `new Promise((resolve) => {
             let sum = 0;
             new PerformanceObserver((list) => { for (const entry of list.getEntries()) sum += entry.value; })
               .observe({ type: 'layout-shift', buffered: true });
             requestAnimationFrame(() => requestAnimationFrame(() => resolve(sum)));
           })`,
        );
        assert.equal(shift, 0, path);
      }
    });
  });
});
