/**
 * Refuses writes that a browser sends on behalf of another site. Such a request carries
 * `Sec-Fetch-Site` (all current browsers) or `Origin`; a client that is no browser (curl, a script)
 * carries neither, cannot be tricked by a page, and passes. No token is needed for that, so the
 * predecessor's clients work unchanged. `same-site` is refused too: another port of localhost is
 * "same site".
 */
export function isForeignWrite(method: string, headers: Pick<Headers, 'get'>): boolean {
  if (method === 'GET' || method === 'HEAD' || method === 'OPTIONS') return false;
  const site = headers.get('sec-fetch-site');
  if (site !== null) return site !== 'same-origin' && site !== 'none';
  const origin = headers.get('origin');
  if (origin === null) return false;
  // The scheme is not compared: TLS may end in front of this server.
  return hostOf(origin) !== headers.get('host')?.toLowerCase();
}

/** `null` and anything that is no origin have no host. */
function hostOf(origin: string): string | null {
  try {
    return new URL(origin).host || null;
  } catch {
    return null;
  }
}
