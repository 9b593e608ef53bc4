/**
 * The scratch pad's addresses over a Map, with a fault to be found: a thread of its own, started
 * with `workerData: { fault }`. Posts its port.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';

export type Fault =
  | 'none'
  /** Every 20th acknowledged create is not there. */
  | 'loses-creates'
  /** Every 5th acknowledged update is not there. */
  | 'loses-updates'
  /** Every 5th acknowledged delete leaves the post. */
  | 'keeps-deleted';

const { fault } = workerData as { fault: Fault };
const posts = new Map<number, { title: string; content: string }>();
let nextId = 1;
let writes = 0;
let handled = 0;

async function textOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request) text += chunk;
  return text;
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  handled++;
  const { method = '', url = '' } = request;
  const text = await textOf(request);
  const send = (status: number, body: unknown, headers: Record<string, string> = {}) => {
    response.writeHead(status, headers);
    response.end(
      status === 204 ? undefined : typeof body === 'string' ? body : JSON.stringify(body),
    );
  };
  const isForm = request.headers['content-type'] === 'application/x-www-form-urlencoded';
  const input = () =>
    (isForm ? Object.fromEntries(new URLSearchParams(text)) : JSON.parse(text)) as {
      title: string;
      content: string;
    };
  const id = Number(/\/(\d+)(?:\/\w+)?$/.exec(url)?.[1] ?? Number.NaN);
  if (Number.isNaN(id)) {
    if (method !== 'POST') return send(200, 'a page');
    const created = nextId++;
    if (!(fault === 'loses-creates' && ++writes % 20 === 0)) posts.set(created, input());
    return send(201, {}, { location: `/api/posts/${created}` });
  }
  const post = posts.get(id);
  if (!post) return send(404, 'none');
  if (method === 'DELETE' || url.endsWith('/delete')) {
    if (!(fault === 'keeps-deleted' && ++writes % 5 === 0)) posts.delete(id);
    return method === 'DELETE' ? send(204, '') : send(302, '', { location: '/' });
  }
  if (method === 'PUT' || method === 'POST') {
    if (!(fault === 'loses-updates' && ++writes % 5 === 0)) posts.set(id, input());
    return method === 'PUT' ? send(200, post) : send(302, '', { location: '/' });
  }
  return send(200, url.startsWith('/api') ? { id, ...post } : `<h1>${post.title}</h1>`);
}

const server = createServer((request, response) => void answer(request, response));
server.listen(0, '127.0.0.1', () => {
  parentPort!.postMessage((server.address() as AddressInfo).port);
});
parentPort!.on('message', () => parentPort!.postMessage(handled));
