/** The workload's contract over HTTP, held against what the targets really deploy. */
import { after, before, describe } from 'node:test';
import type { Deployment } from '../../cli/targets/target.ts';
import { contract } from '../contract/contract.ts';
import { platform } from './require.ts';
import { lab, ready } from './targets-harness.ts';

const nonce = 'contract-on-a-target';

/** Why it cannot run here; where SCRATCHPAD_REQUIRE names it, it runs and fails. */
function skipReason(target: 'bare' | 'docker'): string | false {
  if (target === 'bare') return false;
  const check = platform('docker');
  const required = (process.env['SCRATCHPAD_REQUIRE'] ?? '').split(',').includes('docker');
  return check.ok || required ? false : `docker: ${check.reason}`;
}

for (const target of ['bare', 'docker'] as const) {
  const skip = skipReason(target);
  describe(`a deployment on ${target}`, { skip }, () => {
    let deployment: Deployment | undefined;
    const ends: Array<() => unknown> = [];

    before(async () => {
      const here = lab({ after: (end) => void ends.push(end as () => unknown) }, target);
      deployment = await here.deploy({ nonce });
      await ready(deployment);
    });
    after(async () => {
      await deployment?.destroy();
      for (const end of ends) await end();
    });

    contract(`the workload on ${target}`, () => deployment!.url, { nonce, skip });
  });
}
