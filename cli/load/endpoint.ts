/** Where a URL's requests go: parsed and resolved once, before the run. */
import { lookup } from 'node:dns/promises';
import net from 'node:net';
import { ScratchpadError } from '../errors.ts';
import type { Endpoint } from './request.ts';
import type { LoadOptions } from './types.ts';

/**
 * The endpoint of `options.url`. A name with several addresses (localhost is often ::1 and
 * 127.0.0.1) is resolved to the first that accepts a connection, or else to the first.
 * Throws ScratchpadError BAD_FLAG or TARGET_UNREACHABLE.
 */
export async function resolveEndpoint(
  options: Pick<LoadOptions, 'url' | 'socketPath' | 'insecure'>,
): Promise<{ endpoint: Endpoint; url: URL }> {
  let url: URL;
  try {
    url = new URL(options.url);
  } catch (cause) {
    throw new ScratchpadError('BAD_FLAG', `"${options.url}" is not a URL`, {
      cause,
      hint: 'Give the whole URL, like http://127.0.0.1:5001/.',
    });
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new ScratchpadError('BAD_FLAG', `Cannot load ${url.protocol} URLs`, {
      hint: 'Use http: or https:.',
    });
  }
  const tls = url.protocol === 'https:';
  const port = url.port === '' ? (tls ? 443 : 80) : Number(url.port);
  const name = url.hostname.replace(/^\[|\]$/g, '');
  const isAddress = net.isIP(name) !== 0;
  return {
    url,
    endpoint: {
      host: options.socketPath ? null : isAddress ? name : await addressOf(name, port),
      port,
      socketPath: options.socketPath ?? null,
      tls,
      insecure: options.insecure ?? false,
      serverName: isAddress ? null : name,
      authority: url.host,
      origin: url.origin,
    },
  };
}

async function addressOf(name: string, port: number): Promise<string> {
  let addresses: string[];
  try {
    addresses = (await lookup(name, { all: true })).map(({ address }) => address);
  } catch (cause) {
    throw new ScratchpadError('TARGET_UNREACHABLE', `The name ${name} does not resolve`, {
      cause,
      hint: 'Check the URL, or name the address.',
    });
  }
  for (const address of addresses.length > 1 ? addresses : []) {
    if (await accepts(address, port)) return address;
  }
  return addresses[0]!;
}

function accepts(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ host, port, timeout: 1000 });
    const settle = (isOpen: boolean) => {
      socket.destroy();
      resolve(isOpen);
    };
    socket.once('connect', () => settle(true));
    socket.once('error', () => settle(false));
    socket.once('timeout', () => settle(false));
  });
}

/** Prefix of a scenario's paths: the URL's path without its last slash. */
export function basePathOf(url: URL): string {
  return url.pathname.replace(/\/$/, '');
}
