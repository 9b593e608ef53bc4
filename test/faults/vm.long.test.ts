/** Faults of machines as a user meets them; what can go wrong in a boot is in test/platform/. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { domainsLeft } from '../platform/vm-harness.ts';
import { fault } from './fault.ts';
import type { FaultLab } from './lab.ts';

/** The deployment of this lab's state folder. */
function idOf({ state }: FaultLab): string {
  const [name] = readdirSync(join(state, 'deployments')).filter((each) => each.endsWith('.json'));
  return name!.slice(0, -'.json'.length);
}

/** The emulator of a machine, whoever started it: its command line names the deployment. */
function emulatorOf(id: string): number {
  const pids = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const words = readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0');
        return /(^|\/)qemu-system-/.test(words[0]!) && words.some((word) => word.includes(id));
      } catch {
        return false; // ended meanwhile
      }
    });
  assert.equal(pids.length, 1, `emulators of ${id}: ${pids.join(', ')}`);
  return Number(pids[0]);
}

for (const [provider, requirement] of [
  ['qemu', 'vm'],
  ['vagrant', 'vagrant'],
] as const) {
  fault(
    import.meta,
    {
      fault: `QEMU is killed under load (${provider})`,
      stage: 'load vm: measuring',
      exit: 3,
      code: 'TARGET_DIED',
      message: 'The target ended under load',
      kept: 'failures',
      left: 'nothing',
      needs: [requirement],
    },
    async (lab) => {
      const args = ['load', 'vm', '--provider', provider, '--rate', '10', '--duration', '4'];
      let id = '';
      const result = await lab.when(args, /open loop/, async () => {
        await lab.underLoad();
        id = idOf(lab);
        process.kill(emulatorOf(id), 'SIGKILL');
      });
      assert.deepEqual(domainsLeft(id), []);
      return { result };
    },
  );
}
