/**
 * The predecessor's pages, address for address: a client that knows only those finds its way. Forms
 * post to the address they came from and are answered with 302; a form that was not valid comes
 * back with status 200, as it did there.
 */
import { readForm } from '../http/body.ts';
import { clearedCookie, deletedCookie, readFlash } from '../http/flash.ts';
import type { AppContext } from '../http/respond.ts';
import { checkPost } from '../post-rules.ts';
import { createPage, editPage, errorPage, indexPage, postPage } from '../views/pages.ts';
import { ICON, ICON_PATH, STYLE, STYLE_PATH } from '../views/style.ts';
import { toStored } from '../views/time.ts';
import { type App, ID, readId, registrar, type Services, timed } from './context.ts';

export const POSTS_PER_PAGE = 20;

export function addPages(app: App, { db, clock, respond, observe, secure }: Services): void {
  const on = registrar(app, observe);
  /** Sends a page with the pending message, which is thereby shown and gone. */
  const page = (
    c: AppContext,
    status: number,
    render: (message: string | null) => string,
  ): Response => {
    const message = readFlash(c, { secure });
    const body = render(message);
    if (message === null) return respond.html(c, status, body);
    return respond.html(c, status, body, {
      'set-cookie': clearedCookie({ secure }),
      'cache-control': 'no-store',
    });
  };

  const noSuchPost = (c: AppContext): Response =>
    page(c, 404, (message) =>
      errorPage(
        {
          heading: 'Not found',
          text: 'There is no such post. It may have been deleted.',
          requestId: null,
        },
        { message },
      ),
    );

  on('get', '/', async (c) => {
    const query = {
      before: readCursor(c.req.query('before')),
      after: readCursor(c.req.query('after')),
      limit: POSTS_PER_PAGE,
    };
    const found = await timed(c, clock, () => db.summaries(query));
    return page(c, 200, (message) => indexPage(found, { nowMs: clock.now(), message }));
  });

  on('get', '/create', (c) =>
    page(c, 200, (message) => createPage({ title: '', content: '', faults: [] }, { message })),
  );

  on('post', '/create', async (c) => {
    const input = await readForm(c);
    const faults = checkPost(input);
    if (faults.length > 0) {
      return page(c, 200, (message) => createPage({ ...input, faults }, { message }));
    }
    await timed(c, clock, () => db.create({ ...input, created: toStored(clock.now()) }));
    return respond.redirect(c, '/');
  });

  on('get', `/${ID}`, async (c) => {
    const id = readId(c);
    const post = id === null ? null : await timed(c, clock, () => db.byId(id));
    if (post === null) return noSuchPost(c);
    return page(c, 200, (message) => postPage(post, { nowMs: clock.now(), message }));
  });

  on('get', `/${ID}/edit`, async (c) => {
    const id = readId(c);
    const post = id === null ? null : await timed(c, clock, () => db.byId(id));
    if (post === null) return noSuchPost(c);
    return page(c, 200, (message) => editPage(post, { ...post, faults: [] }, { message }));
  });

  on('post', `/${ID}/edit`, async (c) => {
    const id = readId(c);
    const input = await readForm(c);
    if (id === null) return noSuchPost(c);
    const faults = checkPost(input);
    if (faults.length > 0) {
      const post = await timed(c, clock, () => db.byId(id));
      if (post === null) return noSuchPost(c);
      return page(c, 200, (message) => editPage(post, { ...input, faults }, { message }));
    }
    const post = await timed(c, clock, () => db.update(id, input));
    return post === null ? noSuchPost(c) : respond.redirect(c, '/');
  });

  on('post', `/${ID}/delete`, async (c) => {
    const id = readId(c);
    const post = id === null ? null : await timed(c, clock, () => db.remove(id));
    if (post === null) return noSuchPost(c);
    return respond.redirect(c, '/', { 'set-cookie': deletedCookie(post.title, { secure }) });
  });

  const forever = { 'cache-control': 'public, max-age=31536000, immutable' };
  on('get', STYLE_PATH, (c) => respond.send(c, 200, 'text/css; charset=utf-8', STYLE, forever));
  on('get', ICON_PATH, (c) => respond.send(c, 200, 'image/svg+xml', ICON, forever));
}

/** A cursor that is no id is as good as none: the first page. */
function readCursor(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
