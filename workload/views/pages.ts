/** The pages. Data in, a whole document out; nothing here knows about requests. */
import type { Page, Post, Summary } from '../db/posts.ts';
import { MAX_TITLE_CHARACTERS } from '../post-rules.ts';
import { type Html, html } from './html.ts';
import { type Frame, layout } from './layout.ts';
import { moment } from './time.ts';

type Message = Pick<Frame, 'message'>;

export function indexPage(
  page: Page<Summary>,
  { nowMs, message }: { nowMs: number } & Message,
): string {
  const { posts } = page;
  const title = page.hasNewer ? 'Older posts' : 'Posts';
  const content =
    posts.length === 0
      ? html`<h1>${title}</h1>
${page.hasNewer ? NO_OLDER : NONE_YET}`
      : html`<h1>${title}</h1>
<ul class="posts">
${posts.map((post) => indexItem(post, nowMs))}</ul>
${pageLinks(page)}`;
  return layout({ title, ...(page.hasNewer ? {} : { current: 'index' }), message }, content);
}

const NONE_YET = html`<p>Nothing here yet. <a href="/create">Write the first post</a>.</p>`;
const NO_OLDER = html`<p>No post is older than that. <a href="/">Newest posts</a></p>`;

const indexItem = (post: Summary, nowMs: number): Html => html`<li>
<h2><a href="/${post.id}">${post.title}</a></h2>
${moment(post.created, nowMs)}
<a class="edit" href="/${post.id}/edit" aria-label="Edit ${post.title}">Edit</a>
</li>
`;

function pageLinks({ posts, hasOlder, hasNewer }: Page<Summary>): Html | null {
  if (!hasOlder && !hasNewer) return null;
  return html`<nav class="pages" aria-label="Pages">
${hasNewer && html`<a class="newer" rel="prev" href="/?after=${posts[0]!.id}">&larr; Newer posts</a>`}
${hasOlder && html`<a class="older" rel="next" href="/?before=${posts.at(-1)!.id}">Older posts &rarr;</a>`}
</nav>`;
}

export function postPage(post: Post, { nowMs, message }: { nowMs: number } & Message): string {
  return layout(
    { title: post.title, message },
    html`<article>
<h1>${post.title}</h1>
${moment(post.created, nowMs)}
${post.content !== '' && html`<p class="content">${post.content}</p>\n`}</article>
<p class="ways"><a href="/${post.id}/edit">Edit</a> <a href="/">All posts</a></p>`,
  );
}

/** What a form is filled with, and what was wrong with it. */
export interface FormState {
  title: string;
  content: string;
  /** In the order of the fields. */
  faults: Array<{ field: 'title' | 'content'; message: string }>;
}

export function createPage(state: FormState, { message }: Message): string {
  return layout(
    { title: `${faultPrefix(state)}New post`, current: 'create', message },
    html`<h1>New post</h1>
${form(state, { address: '/create', back: '/' })}`,
  );
}

export function editPage(post: Post, state: FormState, { message }: Message): string {
  return layout(
    { title: `${faultPrefix(state)}Edit "${post.title}"`, message },
    html`<h1 class="short">Edit &ldquo;<bdi>${post.title}</bdi>&rdquo;</h1>
${form(state, { address: `/${post.id}/edit`, back: `/${post.id}` })}
<details>
<summary>Delete this post&hellip;</summary>
<form method="post" action="/${post.id}/delete">
<p>&ldquo;<bdi>${post.title}</bdi>&rdquo; will be gone for good.</p>
<button class="danger" type="submit">Delete Post</button>
</form>
</details>`,
  );
}

// A screen reader says the document's title first: it has to tell that something was wrong.
const faultPrefix = ({ faults }: FormState): string => (faults.length > 0 ? 'Error: ' : '');

/**
 * The address is spelled out: without it a browser posts to the page's own with its fragment, which a
 * link of the summary has put there, and then gives the focus to that field and not to the new summary.
 * The browser's own checks are left out: ours are shown in the page.
 */
function form(
  { title, content, faults }: FormState,
  { address, back }: { address: string; back: string },
): Html {
  const faultOf = (field: string) => faults.find((fault) => fault.field === field)?.message;
  const titleFault = faultOf('title');
  const contentFault = faultOf('content');
  return html`${faults.length > 0 && summary(faults)}<form method="post" action="${address}">
<div class="field">
<label for="title">Title <span class="hint">(required, at most ${MAX_TITLE_CHARACTERS} characters)</span></label>
${titleFault !== undefined && html`<p class="wrong" id="title-wrong">${titleFault}</p>\n`}<input id="title" name="title" type="text" dir="auto" autocomplete="off" aria-required="true" value="${title}"${wrong('title', titleFault)}>
</div>
<div class="field">
<label for="content">Content</label>
${contentFault !== undefined && html`<p class="wrong" id="content-wrong">${contentFault}</p>\n`}<textarea id="content" name="content" rows="10" dir="auto"${wrong('content', contentFault)}>
${content}</textarea>
</div>
<p class="ways"><button type="submit">Submit</button> <a href="${back}">Cancel</a></p>
</form>`;
}

const wrong = (field: string, fault: string | undefined): Html | false =>
  fault !== undefined && html` aria-invalid="true" aria-describedby="${field}-wrong"`;

/** Takes the focus, so that the fault is the first thing read out. */
const summary = (
  faults: FormState['faults'],
): Html => html`<div class="errors" role="alert" tabindex="-1" autofocus>
<h2>Please check the form</h2>
<ul>
${faults.map(({ field, message }) => html`<li><a href="#${field}">${message}</a></li>\n`)}</ul>
</div>
`;

export function errorPage(
  { heading, text, requestId }: { heading: string; text: string; requestId: string | null },
  { message }: Message = {},
): string {
  return layout(
    { title: heading, message },
    html`<h1>${heading}</h1>
<p>${text}</p>
<p class="ways"><a href="/">All posts</a></p>
${requestId !== null && html`<p class="hint">Request ${requestId}</p>`}`,
  );
}
