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
    // On first use: workerd has no randomness outside a request. Not from `crypto`: an id is no
    // secret, and Node loads its Web Crypto for it, 6 ms of a start.
    prefix ??= Math.floor(Math.random() * 2 ** 32)
      .toString(16)
      .padStart(8, '0');
    count++;
    return `${prefix}-${count.toString(36)}`;
  };
}
