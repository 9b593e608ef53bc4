/**
 * Deno and Bun put the Host header into the request's URL as it came, so that a `/` in it would
 * choose another page. A host that is none is refused before the app sees the request.
 */
import { PLAIN_HEADERS } from '../http/respond.ts';

const HOST = /^(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i;

/** The 400 for a request with a malformed Host, null for any other. */
export function refuseHost(request: Request): Response | null {
  const host = request.headers.get('host');
  if (host === null || HOST.test(host)) return null;
  return new Response('Bad Request\n', { status: 400, headers: PLAIN_HEADERS });
}
