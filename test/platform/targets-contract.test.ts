/** The workload's contract over HTTP, held against what the targets really deploy, on each runtime. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Deployment, RuntimeName } from '../../cli/targets/target.ts';
import { verifyInside } from '../../cli/targets/verify.ts';
import { contract } from '../contract/contract.ts';
import { runtimeBinary } from '../contract/server.ts';
import { platform } from './require.ts';
import { lab, ready } from './targets-harness.ts';

const nonce = 'contract-on-a-target';

/** Why it cannot run here; where SCRATCHPAD_REQUIRE names it, it runs and fails. */
function skipReason(target: 'bare' | 'docker', runtime: RuntimeName): string | false {
  const installed = runtime === 'node' ? false : runtimeBinary(runtime).skip;
  if (target === 'bare' || installed) return installed;
  const check = platform('docker');
  const required = (process.env['SCRATCHPAD_REQUIRE'] ?? '').split(',').includes('docker');
  return check.ok || required ? false : `docker: ${check.reason}`;
}

for (const target of ['bare', 'docker'] as const) {
  for (const runtime of ['node', 'deno', 'bun'] as const) {
    const skip = skipReason(target, runtime);
    describe(`a deployment on ${target} with ${runtime}`, { skip }, () => {
      let deployment: Deployment | undefined;
      const ends: Array<() => unknown> = [];

      before(async () => {
        const here = lab({ after: (end) => void ends.push(end as () => unknown) }, target);
        deployment = await here.deploy({ nonce, runtime });
        await ready(deployment);
      });
      after(async () => {
        await deployment?.destroy();
        for (const end of ends) await end();
      });

      test(`it proves that ${runtime} runs it, and from which files`, async () => {
        const verified = await verifyInside(deployment!);
        assert.equal(verified.runtime, runtime);
        assert.equal(
          verified.runtimeVersion,
          deployment!.state.prepared!.handles['runtimeVersion'],
        );
      });
      contract(`${target} with ${runtime}`, () => deployment!.url, { nonce, skip });
    });
  }
}
