/**
 * The JSON API. Bodies must say `application/json`: a form of another site cannot, so no page can
 * write here without the CORS leave that is never given. Faults are problem documents (RFC 9457).
 * openapi.ts describes it; a test holds the two together.
 */

import type { Post } from '../db/posts.ts';
import { RequestFault, readJsonObject } from '../http/body.ts';
import type { AppContext } from '../http/respond.ts';
import { checkPost, type Fault } from '../post-rules.ts';
import { toIso, toStored } from '../views/time.ts';
import { type App, ID, readId, registrar, type Services, timed } from './context.ts';

export const DEFAULT_LIMIT = 20;
export const MAX_LIMIT = 100;
/** A page of the longest posts would be 40 MB; it ends with the post that goes beyond this. */
export const MAX_PAGE_CHARACTERS = 1_000_000;

/** A post as the API shows it. */
const toJson = (post: Post) => ({
  id: post.id,
  created: toIso(post.created) ?? post.created,
  title: post.title,
  content: post.content,
});

export function addApi(app: App, { db, clock, respond, observe }: Services): void {
  const on = registrar(app, observe);
  const noSuchPost = (c: AppContext) =>
    respond.problem(c, { status: 404, title: 'Not Found', detail: 'There is no such post.' });
  const invalid = (c: AppContext, errors: Fault[]) =>
    respond.problem(c, {
      status: 422,
      title: 'Unprocessable Content',
      detail: errors.map((error) => error.message).join(' '),
      errors,
    });

  on('get', '/api/posts', async (c) => {
    const limit = readWhole(c, 'limit', 1, MAX_LIMIT) ?? DEFAULT_LIMIT;
    const after = readWhole(c, 'after', 0, Number.MAX_SAFE_INTEGER);
    // Newest first, so what comes after a post in the list is what is older than it.
    const page = await timed(c, clock, () => db.list({ before: after, limit }));
    const posts = upTo(MAX_PAGE_CHARACTERS, page.posts);
    const hasMore = page.hasOlder || posts.length < page.posts.length;
    const last = posts.at(-1);
    const next =
      hasMore && last !== undefined ? `/api/posts?after=${last.id}&limit=${limit}` : null;
    return respond.json(
      c,
      200,
      { posts: posts.map(toJson), next },
      next === null ? undefined : { link: `<${next}>; rel="next"` },
    );
  });

  on('post', '/api/posts', async (c) => {
    const body = readFields(await readJsonObject(c), ['title']);
    const { title = '', content = '' } = body.input;
    const faults = body.faults.length > 0 ? body.faults : checkPost({ title, content });
    if (faults.length > 0) return invalid(c, faults);
    const post = await timed(c, clock, () =>
      db.create({ title, content, created: toStored(clock.now()) }),
    );
    return respond.json(c, 201, toJson(post), { location: `/api/posts/${post.id}` });
  });

  on('get', `/api/posts/${ID}`, async (c) => {
    const id = readId(c);
    const post = id === null ? null : await timed(c, clock, () => db.byId(id));
    return post === null ? noSuchPost(c) : respond.json(c, 200, toJson(post));
  });

  /** PUT wants all fields, PATCH any of them. */
  const change = (required: Field[]) => async (c: AppContext) => {
    const id = readId(c);
    const body = readFields(await readJsonObject(c), required);
    const { title = '-', content = '' } = body.input;
    const faults = body.faults.length > 0 ? body.faults : checkPost({ title, content });
    if (faults.length > 0) return invalid(c, faults);
    const post = id === null ? null : await timed(c, clock, () => db.update(id, body.input));
    return post === null ? noSuchPost(c) : respond.json(c, 200, toJson(post));
  };
  on('put', `/api/posts/${ID}`, change(['title', 'content']));
  on('patch', `/api/posts/${ID}`, change([]));

  on('delete', `/api/posts/${ID}`, async (c) => {
    const id = readId(c);
    const post = id === null ? null : await timed(c, clock, () => db.remove(id));
    return post === null ? noSuchPost(c) : respond.send(c, 204, null, null);
  });
}

/** The first posts, up to the one with which their contents reach `characters`. */
function upTo(characters: number, posts: Post[]): Post[] {
  let sum = 0;
  const end = posts.findIndex(({ content }) => {
    sum += content.length;
    return sum >= characters;
  });
  return end === -1 ? posts : posts.slice(0, end + 1);
}

/** A whole number of the query. Throws RequestFault where it is something else. */
function readWhole(c: AppContext, name: string, min: number, max: number): number | undefined {
  const text = c.req.query(name);
  if (text === undefined) return undefined;
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= min && value <= max)) {
    const message = `${name} must be a whole number from ${min} to ${max}.`;
    throw new RequestFault(400, 'Bad Request', message, { errors: [{ field: name, message }] });
  }
  return value;
}

type Field = Fault['field'];

/** title and content of a body: strings, nothing missing that is required. Others are ignored. */
function readFields(
  body: Record<string, unknown>,
  required: Field[],
): { input: { [F in Field]?: string }; faults: Fault[] } {
  const input: { [F in Field]?: string } = {};
  const faults: Fault[] = [];
  for (const field of ['title', 'content'] as const) {
    const value = body[field];
    if (typeof value === 'string') input[field] = value;
    else if (value !== undefined) faults.push({ field, message: `${field} must be a string.` });
    else if (required.includes(field)) {
      faults.push({
        field,
        message: field === 'title' ? 'Title is required!' : `${field} is required.`,
      });
    }
  }
  return { input, faults };
}
