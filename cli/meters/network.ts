/** Bytes on the wire, as the target sees them: received = into the target, sent = out of it. */
import { readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { unavailable } from '../record/measured.ts';
import { CounterFile, whyUnreadable } from './counter-file.ts';
import type { NetworkFigures, Part } from './parts.ts';
import { parseNetworkDevices } from './procfs.ts';
import type { NetworkSpec } from './spec.ts';

export const LOOPBACK_REASON =
  'the kernel keeps no byte count per process on loopback; see the payload bytes of the load';

export function networkPart(spec: NetworkSpec | undefined): Part<NetworkFigures> {
  if (spec === undefined) return noNetwork(LOOPBACK_REASON);
  switch (spec.kind) {
    case 'none':
      return noNetwork(spec.reason);
    case 'namespace':
      return namespaceNetwork(spec.pid);
    case 'host-interface':
      return hostInterface(spec.name);
  }
}

export function noNetwork(reason: string): Part<NetworkFigures> {
  const why = unavailable(reason);
  return {
    source: `none: ${reason}`,
    read: () => ({ receivedBytes: why, sentBytes: why }),
    close: () => {},
  };
}

function namespaceNetwork(pid: number): Part<NetworkFigures> {
  let own: string;
  try {
    own = readlinkSync(`/proc/${pid}/ns/net`);
    if (own === readlinkSync('/proc/self/ns/net'))
      return noNetwork('it shares the network of the host, which others use too');
  } catch (error) {
    return noNetwork(whyUnreadable(error, `/proc/${pid}/ns/net`));
  }
  const file = new CounterFile(`/proc/${pid}/net/dev`);
  // The open file keeps the namespace; its interfaces go with the container, and their counts too.
  let seen: string[] = [];
  return {
    source: `${file.path}, all interfaces but lo`,
    read() {
      try {
        let receivedBytes = 0;
        let sentBytes = 0;
        const devices = parseNetworkDevices(file.read());
        const lost = seen.find((name) => !devices.has(name));
        if (lost !== undefined) throw new Error(`${lost} is gone, and what it had counted`);
        seen = [...devices.keys()];
        for (const device of devices.values()) {
          receivedBytes += device.receivedBytes;
          sentBytes += device.sentBytes;
        }
        return { receivedBytes, sentBytes };
      } catch (error) {
        const why = unavailable(whyUnreadable(error, file.path));
        return { receivedBytes: why, sentBytes: why };
      }
    },
    close: () => file.close(),
  };
}

function hostInterface(name: string): Part<NetworkFigures> {
  const folder = `/sys/class/net/${name}/statistics`;
  const read = (file: string) => {
    const path = join(folder, file);
    try {
      return Number(readFileSync(path, 'latin1'));
    } catch (error) {
      return unavailable(whyUnreadable(error, path));
    }
  };
  return {
    source: `${folder}, directions turned to the target's`,
    read: () => ({ receivedBytes: read('tx_bytes'), sentBytes: read('rx_bytes') }),
    close: () => {},
  };
}
