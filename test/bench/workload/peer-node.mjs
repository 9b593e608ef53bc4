/**
 * The yardstick: one post, the index and create, written by hand on node:http with held libSQL
 * statements, without framework, ORM or templates. It answers with the same pages, byte for byte
 * but for the names of style sheet and icon, under the same security headers (peer.test.ts in
 * test/workload compares them).
 *
 *   node peer-node.mjs PORT DATABASE-FILE
 */
import { createServer } from 'node:http';
import { createRequire } from 'node:module';

const Database = createRequire(import.meta.url)('libsql');
const [port, file] = process.argv.slice(2);

const db = new Database(file, { timeout: 5000 });
db.exec('PRAGMA journal_mode = WAL');
db.exec('PRAGMA synchronous = NORMAL');
const hold = (sql) => db.prepare(sql).raw(true);
const newest = hold('SELECT id, created, title FROM posts ORDER BY id DESC LIMIT ?');
const one = hold('SELECT id, created, title, content FROM posts WHERE id = ?');
const insert = hold(
  'INSERT INTO posts (created, title, content) VALUES (?, ?, ?) RETURNING id, created, title, content',
);

const HEADERS = {
  'content-security-policy':
    "default-src 'none'; object-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  'strict-transport-security': 'max-age=31536000; includeSubDomains',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-cache',
};
const ENTITIES = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
  '`': '&#96;',
};
const escapeHtml = (text) =>
  /[&<>"'`]/.test(text) ? text.replace(/[&<>"'`]/g, (char) => ENTITIES[char]) : text;

const head = (title, index) => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="stylesheet" href="/assets/style.css">
<link rel="icon" type="image/svg+xml" href="/assets/icon.svg">
<title>${escapeHtml(title)} &middot; My Scratch Pad</title>
</head>
<body>
<a class="skip" href="#main">Skip to content</a>
<header class="bar"><nav aria-label="Main">
<a class="brand" href="/"${index ? ' aria-current="page"' : ''}>My Scratch Pad</a>
<a href="/create">New Post</a>
</nav></header>
<main id="main" tabindex="-1">
`;
const FOOT = `
</main>
</body>
</html>
`;

function moment(created, now) {
  const iso = `${created.slice(0, 10)}T${created.slice(11)}Z`;
  const seconds = (now - Date.parse(iso)) / 1000;
  let text = 'just now';
  if (seconds >= 60) {
    const [each, unit] =
      seconds < 3600
        ? [60, 'minute']
        : seconds < 86400
          ? [3600, 'hour']
          : seconds < 86400 * 30
            ? [86400, 'day']
            : seconds < 86400 * 365
              ? [86400 * 30, 'month']
              : [86400 * 365, 'year'];
    const n = Math.floor(seconds / each);
    text = `${n} ${unit}${n === 1 ? '' : 's'} ago`;
  }
  return `<time datetime="${iso}">${created} UTC &middot; ${text}</time>`;
}

function index() {
  const now = Date.now();
  const rows = newest.all([21]);
  const more = rows.length > 20;
  if (more) rows.length = 20;
  let out = `${head('Posts', true)}<h1>Posts</h1>\n<ul class="posts">\n`;
  for (const [id, created, title] of rows) {
    const safe = escapeHtml(title);
    out += `<li>
<h2><a href="/${id}">${safe}</a></h2>
${moment(created, now)}
<a class="edit" href="/${id}/edit" aria-label="Edit ${safe}">Edit</a>
</li>
`;
  }
  out += '</ul>\n';
  if (more) {
    out += `<nav class="pages" aria-label="Pages">

<a class="older" rel="next" href="/?before=${rows[19][0]}">Older posts &rarr;</a>
</nav>`;
  }
  return out + FOOT;
}

function post(id) {
  const row = one.get([id]);
  if (row === undefined) return null;
  const title = escapeHtml(row[2]);
  return `${head(row[2], false)}<article>
<h1>${title}</h1>
${moment(row[1], Date.now())}
${row[3] === '' ? '' : `<p class="content">${escapeHtml(row[3])}</p>\n`}</article>
<p class="ways"><a href="/${row[0]}/edit">Edit</a> <a href="/">All posts</a></p>${FOOT}`;
}

function send(response, status, body, extra) {
  response.writeHead(status, { ...HEADERS, 'content-length': Buffer.byteLength(body), ...extra });
  response.end(body);
}

const HTML = { 'content-type': 'text/html; charset=utf-8' };

createServer((request, response) => {
  const { url, method } = request;
  if (url === '/' && method === 'GET') return send(response, 200, index(), HTML);
  if (url === '/create' && method === 'POST') {
    let text = '';
    request.setEncoding('utf8');
    request.on('data', (chunk) => {
      text += chunk;
    });
    request.on('end', () => {
      const form = new URLSearchParams(text);
      const created = new Date().toISOString().slice(0, 19).replace('T', ' ');
      insert.all([created, form.get('title'), form.get('content')]);
      send(response, 302, '', { location: '/' });
    });
    return;
  }
  const page = /^\/\d+$/.test(url) ? post(Number(url.slice(1))) : null;
  return page === null ? send(response, 404, '') : send(response, 200, page, HTML);
}).listen(Number(port), '127.0.0.1', () => console.log(JSON.stringify({ event: 'listening' })));
