/**
 * Orders to the guest (guest-control.socket inside), through a forward that exists only for the
 * moment: added to the user network by the monitor, used once, removed. No port of the host stays
 * open, no agent runs in the guest.
 */

import type { AddressInfo } from 'node:net';
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { ScratchpadError } from '../../errors.ts';
import type { GuestReading } from '../../meters/spec.ts';
import { type Measured, unavailable } from '../../record/measured.ts';
import type { Phase } from '../target.ts';
import { GUEST_CONTROL_PORT } from './qemu-command.ts';

/** Runs one command of QEMU's human monitor and returns what it printed. */
export type HumanMonitor = (line: string) => Promise<string>;
/** How to reach a guest: its machine's monitor and the name of its user network. */
export interface GuestLink {
  monitor: HumanMonitor;
  netdev: string;
}

export type GuestOrder = 'facts' | 'sync' | 'poweroff';

/**
 * Sends `order` and resolves with the guest's answer.
 * @throws TARGET_UNREACHABLE where the guest does not answer in `timeoutMs`
 */
export async function askGuest(
  { monitor, netdev }: GuestLink,
  order: GuestOrder,
  timeoutMs = 30_000,
): Promise<string> {
  const port = await freePort();
  const rule = `tcp:127.0.0.1:${port}`;
  const said = await monitor(`hostfwd_add ${netdev} ${rule}-:${GUEST_CONTROL_PORT}`);
  if (said.trim() !== '') throw unreachable(order, said.trim());
  try {
    return await converse(port, order, timeoutMs);
  } finally {
    await monitor(`hostfwd_remove ${netdev} ${rule}`).catch(() => {});
  }
}

async function converse(port: number, order: GuestOrder, timeoutMs: number): Promise<string> {
  const until = performance.now() + timeoutMs;
  for (;;) {
    const answer = await once(port, order, until - performance.now()).catch((error: Error) => {
      throw unreachable(order, error.message);
    });
    // QEMU accepts for the guest; where nobody listens inside, the connection just ends
    if (answer !== '') return answer;
    if (performance.now() > until) throw unreachable(order, 'the guest closes the connection');
    await sleep(100);
  }
}

function once(port: number, order: GuestOrder, timeoutMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port });
    let answer = '';
    socket.setEncoding('utf8');
    const timer = setTimeout(
      () => {
        socket.destroy(new Error(`no answer within ${Math.round(timeoutMs / 1000)} s`));
      },
      Math.max(1, timeoutMs),
    );
    socket.on('connect', () => socket.write(`${order}\n`));
    socket.on('data', (chunk: string) => {
      answer += chunk;
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ECONNRESET') reject(error);
    });
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(answer);
    });
  });
}

/** Free now; between this and hostfwd_add another may take it, and the monitor then says so. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function unreachable(order: GuestOrder, why: string): ScratchpadError {
  return new ScratchpadError('TARGET_UNREACHABLE', `The guest does not answer to "${order}".`, {
    cause: why,
    hint: 'Its console log may say why: `scratchpad status` names the file.',
  });
}

export interface GuestFacts {
  kernel: string | null;
  os: string | null;
  bootId: string | null;
  /** Durations on the guest's own monotonic clock, in ms since its kernel's start. */
  userspaceMs: Measured<number>;
  serviceStartMs: Measured<number>;
  memory: { totalBytes: Measured<number>; availableBytes: Measured<number> };
  network: { receivedBytes: Measured<number>; sentBytes: Measured<number> };
  /** All lines, by name. */
  raw: Record<string, string>;
}

/** From the lines of `facts`. Pure; a line that is missing leaves its figure unavailable. */
export function parseFacts(text: string): GuestFacts {
  const raw: Record<string, string> = {};
  for (const line of text.split('\n')) {
    const at = line.indexOf('=');
    if (at > 0) raw[line.slice(0, at)] = line.slice(at + 1).trim();
  }
  const number = (name: string, scale: number): Measured<number> => {
    const value = raw[name];
    return value !== undefined && /^\d+$/.test(value) && value !== '0'
      ? Number(value) * scale
      : unavailable(`the guest gave no ${name}`);
  };
  const traffic = Object.entries(raw)
    .filter(([name]) => name.startsWith('net.'))
    .map(([, value]) => value.split(' ').map(Number));
  const sum = (index: number): Measured<number> =>
    traffic.length === 0
      ? unavailable('the guest named no interface')
      : traffic.reduce((total, pair) => total + (pair[index] ?? 0), 0);
  return {
    kernel: raw['kernel'] ?? null,
    os: raw['os'] ?? null,
    bootId: raw['bootId'] ?? null,
    userspaceMs: number('UserspaceTimestampMonotonic', 1e-3),
    serviceStartMs: number('ExecMainStartTimestampMonotonic', 1e-3),
    memory: { totalBytes: number('MemTotal', 1024), availableBytes: number('MemAvailable', 1024) },
    network: { receivedBytes: sum(0), sentBytes: sum(1) },
    raw,
  };
}

/**
 * The guest's own durations, placed on the host's clock where the guest's clock starts: at its
 * kernel's first line, the end of `VMM start`.
 */
export function guestPhases(phases: readonly Phase[], facts: GuestFacts): Phase[] {
  const origin = phases.find(({ name }) => name === 'VMM start')?.endMs;
  const { userspaceMs, serviceStartMs } = facts;
  if (origin === undefined || typeof userspaceMs !== 'number') return [];
  const source = 'guest systemd';
  const booted = origin + userspaceMs;
  const found: Phase[] = [
    { name: 'guest: kernel and initramfs', startMs: origin, endMs: booted, source },
  ];
  if (typeof serviceStartMs === 'number') {
    const endMs = origin + serviceStartMs;
    found.push({ name: 'guest: systemd to service', startMs: booted, endMs, source });
  }
  return found;
}

export function guestReading(facts: GuestFacts): GuestReading {
  return {
    memoryTotalBytes: facts.memory.totalBytes,
    memoryAvailableBytes: facts.memory.availableBytes,
    networkReceivedBytes: facts.network.receivedBytes,
    networkSentBytes: facts.network.sentBytes,
    source: 'guest-control: /proc/meminfo, /proc/net/dev',
  };
}
