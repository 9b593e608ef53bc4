/** The frame of every page: navigation bar, the message of the last action, the content. */
import { type Html, html } from './html.ts';
import { ICON_PATH, STYLE_PATH } from './style.ts';

export interface Frame {
  title: string;
  /** Which entry of the navigation bar this page is. */
  current?: 'index' | 'create';
  /** What the last action did, shown once; in the document's title too, which is read out first. */
  message?: string | null;
}

const HEAD_START = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="stylesheet" href="${STYLE_PATH}">
<link rel="icon" type="image/svg+xml" href="${ICON_PATH}">
<title>`;

const navigation = (current: Frame['current']): Html => html` &middot; My Scratch Pad</title>
</head>
<body>
<a class="skip" href="#main">Skip to content</a>
<header class="bar"><nav aria-label="Main">
<a class="brand" href="/"${current === 'index' && html` aria-current="page"`}>My Scratch Pad</a>
<a href="/create"${current === 'create' && html` aria-current="page"`}>New Post</a>
</nav></header>
<main id="main" tabindex="-1">
`;

const NAVIGATION = {
  index: navigation('index'),
  create: navigation('create'),
  other: navigation(undefined),
};

export function layout({ title, current, message }: Frame, content: Html): string {
  return html`${HEAD_START}${message != null && html`${message} &middot; `}${title}${NAVIGATION[current ?? 'other']}${
    message != null && html`<p class="note" role="status">${message}</p>\n`
  }${content}
</main>
</body>
</html>
`.text;
}
