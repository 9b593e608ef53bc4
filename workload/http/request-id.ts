/**
 * Request ids: the client's own where it is harmless in a header and in a log, else eight random
 * characters of this process and a count, unique and cheap.
 */
const HARMLESS = /^[A-Za-z0-9._-]{1,64}$/;

export function requestIds(): (given: string | undefined) => string {
  let prefix: string | null = null;
  let count = 0;
  return (given) => {
    if (given !== undefined && HARMLESS.test(given)) return given;
    // On first use: workerd has no randomness outside a request.
    prefix ??= Array.from(crypto.getRandomValues(new Uint8Array(4)), (byte) =>
      byte.toString(16).padStart(2, '0'),
    ).join('');
    count++;
    return `${prefix}-${count.toString(36)}`;
  };
}
