/**
 * The path `bridge`: a network of one machine's own, with the host's kernel alone in between, as
 * Docker has it without its proxy.
 *
 *   127.0.0.1:PORT ─address translation→ bridge 10.213.x.y ─ tap ─ guest 10.213.x.y+1
 *
 * Names follow from the deployment's id; the bridge carries its mark, and the rules its name, so that
 * what a crash left is found. It is made and removed by `ip` and `iptables`, as root.
 */
import { createHash } from 'node:crypto';
import {
  accessSync,
  constants,
  existsSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { ScratchpadError } from '../../errors.ts';
import { type CommandResult, lastLines, type Run } from '../command.ts';
import { ownerTag } from '../state.ts';
import { findProgram } from './host.ts';
import { descriptionOf, ownId } from './names.ts';
import { GUEST_PORT } from './qemu-command.ts';

export interface BridgeNetwork {
  bridge: string;
  tap: string;
  /** Of the guest's interface on it. */
  mac: string;
  hostAddress: string;
  guestAddress: string;
}

/** Four addresses each: network, host, guest, broadcast. */
const PREFIX_LENGTH = 30;
const NETWORKS = 2 ** 14;
const MAC = '52:54:00:5c:a7:02';
const TUN = '/dev/net/tun';
const INTERFACES = '/sys/class/net';
/** What was sent to 127.0.0.1 may leave by the interface that has this. */
const LEAVES_BY_IT = 'route_localnet';
const CAP_NET_ADMIN = 1n << 12n;
const INSTEAD = 'Use the path hostfwd, which needs nothing of the host.';

/** Why this host cannot have one; null: it can. */
export function bridgeFault(): { reason: string; hint: string } | null {
  if (process.platform !== 'linux') {
    return { reason: 'it is made by Linux’s kernel', hint: 'Use the path hostfwd.' };
  }
  if (process.getuid?.() !== 0) {
    return { reason: 'it needs root', hint: 'Run it with sudo, or use the path hostfwd.' };
  }
  const missing = ['ip', 'iptables'].find((name) => findProgram(name) === null);
  if (missing !== undefined) {
    return {
      reason: `${missing} is not installed`,
      hint: 'Install it: `sudo apt-get install iproute2 iptables`.',
    };
  }
  for (const file of [TUN, `/proc/sys/net/ipv4/conf/all/${LEAVES_BY_IT}`]) {
    try {
      accessSync(file, constants.W_OK);
    } catch {
      return { reason: `${file} cannot be written`, hint: 'Use the path hostfwd.' };
    }
  }
  const effective = /^CapEff:\s+([0-9a-f]+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  if (effective !== undefined && (BigInt(`0x${effective}`) & CAP_NET_ADMIN) === 0n) {
    return { reason: 'it needs the capability NET_ADMIN', hint: 'Use the path hostfwd.' };
  }
  return null;
}

/** For the guest: initramfs-init.sh sets its address by them. */
export function bridgeParameters({ mac, guestAddress }: BridgeNetwork): string[] {
  return [`scratchpad.bridge=${mac},${guestAddress}/${PREFIX_LENGTH}`];
}

export class Bridge {
  readonly #id: string;
  readonly #run: Run;

  constructor(id: string, run: Run) {
    this.#id = id;
    this.#run = run;
  }

  /** Bridge and tap, up, with an address that no interface of this host has. @throws TARGET_START_FAILED */
  async create(): Promise<BridgeNetwork> {
    const { bridge, tap } = namesOf(this.#id);
    const addresses = await this.#ip(['-4', '-o', 'addr', 'show']);
    const network = { bridge, tap, mac: MAC, ...freeAddresses(this.#id, addresses) };
    await this.#ip(['link', 'add', bridge, 'type', 'bridge']);
    await this.#ip(['link', 'set', bridge, 'alias', descriptionOf(this.#id, ownerTag())]);
    await this.#ip(['tuntap', 'add', 'dev', tap, 'mode', 'tap']);
    await this.#ip(['link', 'set', tap, 'master', bridge]);
    // no announcements of IPv6 into a network of two
    for (const name of [bridge, tap]) setting('ipv6', name, 'disable_ipv6', '1');
    setting('ipv4', bridge, LEAVES_BY_IT, '1');
    await this.#ip(['addr', 'add', `${network.hostAddress}/${PREFIX_LENGTH}`, 'dev', bridge]);
    for (const name of [bridge, tap]) await this.#ip(['link', 'set', name, 'up']);
    return network;
  }

  /** From now on 127.0.0.1:`port` is the guest. @throws TARGET_UNREACHABLE */
  async open({ bridge, guestAddress }: BridgeNetwork, port: number): Promise<void> {
    const mark = ['-m', 'comment', '--comment', bridge];
    const to = ['--to-destination', `${guestAddress}:${GUEST_PORT}`];
    const local = ['-d', '127.0.0.1/32', '-p', 'tcp', '--dport', String(port)];
    const leaving = ['-s', '127.0.0.0/8', '-o', bridge];
    // In this order: a connection that met the second rule without the first would never be answered.
    for (const rule of [
      ['POSTROUTING', ...leaving, ...mark, '-j', 'MASQUERADE'],
      ['OUTPUT', ...local, ...mark, '-j', 'DNAT', ...to],
    ]) {
      const { code, stderr } = await this.#nat(['-A', ...rule]);
      if (code === 0) continue;
      throw new ScratchpadError('TARGET_UNREACHABLE', 'The port could not be led to the machine.', {
        cause: `iptables -A ${rule.join(' ')}: ${lastLines(stderr, 2)}`,
        hint: INSTEAD,
      });
    }
  }

  /** The port refuses again. @throws CLEANUP_INCOMPLETE */
  async close(): Promise<void> {
    const { bridge } = namesOf(this.#id);
    for (const rule of await this.#rules(bridge)) {
      await this.#nat(rule.replace(/^-A/, '-D').split(' '));
    }
    const [left] = await this.#rules(bridge);
    if (left !== undefined) throw leftOver(`The rule ${left}`, `iptables -t nat ${left}`);
  }

  async #rules(bridge: string): Promise<string[]> {
    const { code, stdout, stderr } = await this.#nat(['-S']);
    if (code !== 0) throw leftOver('A rule of the machine’s network', lastLines(stderr, 1));
    return stdout.split('\n').filter((rule) => rule.includes(` --comment ${bridge} `));
  }

  /** Rules, bridge and tap, whatever there is of them. @throws CLEANUP_INCOMPLETE */
  async remove(): Promise<void> {
    await this.close();
    const { bridge, tap } = namesOf(this.#id);
    for (const name of [tap, bridge]) {
      if (!existsSync(join(INTERFACES, name))) continue;
      const { code, stderr } = await this.#run('ip', ['link', 'delete', name]);
      if (code !== 0) throw leftOver(`The interface ${name}`, lastLines(stderr, 1));
    }
  }

  async #ip(args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.#run('ip', args);
    if (code === 0) return stdout;
    throw networkFailed(`ip ${args.join(' ')}: ${lastLines(stderr, 1)}`);
  }

  #nat(args: string[]): Promise<CommandResult> {
    return this.#run('iptables', ['-w', '-t', 'nat', ...args]);
  }
}

function networkFailed(cause: string): ScratchpadError {
  return new ScratchpadError('TARGET_START_FAILED', 'The machine’s network could not be made.', {
    cause,
    hint: INSTEAD,
  });
}

function leftOver(what: string, cause: string): ScratchpadError {
  return new ScratchpadError('CLEANUP_INCOMPLETE', `${what} is left.`, {
    cause,
    hint: 'Run `scratchpad down --all` as root.',
  });
}

/** Removes the bridges of this state folder that no deployment of `known` has. Returns their names. */
export async function sweepBridges(known: ReadonlySet<string>, run: Run): Promise<string[]> {
  if (bridgeFault() !== null) return [];
  const removed: string[] = [];
  for (const name of readdirSync(INTERFACES)) {
    const id = ownId(aliasOf(name));
    if (id === undefined || known.has(id)) continue;
    await new Bridge(id, run).remove();
    removed.push(`network ${name}`);
  }
  return removed;
}

/** '' where it has none, or is gone meanwhile. */
function aliasOf(name: string): string {
  try {
    return readFileSync(join(INTERFACES, name, 'ifalias'), 'utf8').trim();
  } catch {
    return '';
  }
}

const digestOf = (id: string) => createHash('sha256').update(`${ownerTag()} ${id}`).digest();

/** An interface's name has 15 bytes. */
function namesOf(id: string): { bridge: string; tap: string } {
  const tag = digestOf(id).toString('hex', 0, 5);
  return { bridge: `spbr${tag}`, tap: `sptap${tag}` };
}

/** `addresses`: those of this host's interfaces, up or down, as `ip -o addr` prints them. */
function freeAddresses(
  id: string,
  addresses: string,
): { hostAddress: string; guestAddress: string } {
  const first = digestOf(id).readUInt16BE(5);
  for (let tried = 0; tried < NETWORKS; tried++) {
    const network = (first + tried) % NETWORKS;
    const hostAddress = `10.213.${network >> 6}.${((network & 63) << 2) + 1}`;
    if (addresses.includes(` ${hostAddress}/`)) continue;
    return { hostAddress, guestAddress: after(hostAddress) };
  }
  throw new ScratchpadError('TARGET_START_FAILED', 'Every network in 10.213.0.0/16 is taken.', {
    hint: 'Run `scratchpad down --all`, or use the path hostfwd.',
  });
}

/** The next address of the same network. */
function after(address: string): string {
  const bytes = address.split('.').map(Number);
  return [...bytes.slice(0, 3), bytes[3]! + 1].join('.');
}

/** Where there is no such setting (a kernel without IPv6), there is nothing to be set. */
function setting(family: 'ipv4' | 'ipv6', name: string, key: string, value: string): void {
  const file = `/proc/sys/net/${family}/conf/${name}/${key}`;
  if (!existsSync(file)) return;
  try {
    writeFileSync(file, value);
  } catch (error) {
    throw networkFailed(String((error as Error).message));
  }
}
