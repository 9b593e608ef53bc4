/**
 * The message after an action, carried to the next page by a cookie. The cookie names the action
 * and its object; the sentence is made here, so that whoever can set a cookie cannot put words into
 * the page's mouth.
 */
import type { AppContext } from './respond.ts';

const MAX_AGE_SECONDS = 60;
/** Keeps the cookie under the 4,096 bytes that browsers take: 1,200 bytes of UTF-8 at most. */
const MAX_TITLE_CHARACTERS = 300;

/** Set-Cookie of the message `"TITLE" was successfully deleted!`. */
export function deletedCookie(title: string, { secure }: { secure: boolean }): string {
  // By characters: half of an emoji has no UTF-8.
  const start = [...title].slice(0, MAX_TITLE_CHARACTERS).join('');
  return attributes(`deleted.${toBase64Url(start)}`, MAX_AGE_SECONDS, secure);
}

/** Set-Cookie that takes the message back once it has been shown. */
export function clearedCookie({ secure }: { secure: boolean }): string {
  return attributes('', 0, secure);
}

/** Over TLS `__Host-`, which browsers take from this very host alone; without TLS they refuse it. */
function attributes(value: string, maxAge: number, secure: boolean): string {
  const rest = `=${value}; Path=/; Max-Age=${maxAge}; HttpOnly; SameSite=Lax`;
  return secure ? `__Host-flash${rest}; Secure` : `flash${rest}`;
}

const VALUE = 'flash=deleted\\.([A-Za-z0-9_-]{0,1800})(?:;|$)';
const PLAIN = new RegExp(`(?:^|;\\s*)${VALUE}`);
const HOST_BOUND = new RegExp(`(?:^|;\\s*)__Host-${VALUE}`);

/**
 * The message to show on this page, null where there is none or the cookie is not ours. Behind TLS
 * only the name that no other host and no page without TLS can set is ours.
 */
export function readFlash(c: AppContext, { secure }: { secure: boolean }): string | null {
  const header = c.req.header('cookie');
  if (header === undefined) return null;
  const match = (secure ? HOST_BOUND : PLAIN).exec(header);
  if (match === null) return null;
  const title = fromBase64Url(match[1]!);
  return title === null ? null : `"${title}" was successfully deleted!`;
}

function toBase64Url(text: string): string {
  let binary = '';
  for (const byte of new TextEncoder().encode(text)) binary += String.fromCharCode(byte);
  return btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

function fromBase64Url(value: string): string | null {
  try {
    const binary = atob(value.replaceAll('-', '+').replaceAll('_', '/'));
    const bytes = Uint8Array.from(binary, (char) => char.charCodeAt(0));
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}
