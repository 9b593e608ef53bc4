/** A real machine under QEMU alone. What goes wrong with one: vm-failures.long.test.ts. */
import assert from 'node:assert/strict';
import { machineTests } from './vm-harness.ts';

machineTests(
  'qemu',
  [
    'VMM start',
    'kernel',
    'initramfs',
    'systemd',
    'service to listening',
    'guest: kernel and initramfs',
    'guest: systemd to service',
  ],
  {
    name: 'killed under load is found dead',
    async body(deployment) {
      const { pid } = deployment.state.resources['process'] as { pid: number };
      process.kill(pid, 'SIGKILL');
      await assert.rejects(async () => {
        for (;;) await fetch(deployment.url);
      });
      const { alive, detail } = await deployment.liveness();
      assert.equal(alive, false);
      assert.match(detail, /QEMU \(pid \d+\) has ended.*console log/);
    },
  },
);
