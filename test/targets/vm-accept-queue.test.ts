/** The accept queue of another process's port, made longer from outside. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { describe, it, type TestContext } from 'node:test';
import type { CommandResult, Run } from '../../cli/targets/command.ts';
import type { DeploymentPlan } from '../../cli/targets/target.ts';
import { deepenAcceptQueue } from '../../cli/targets/vm/accept-queue.ts';
import { burst, queueStaysShort } from './burst.ts';

const CONNECTIONS = 60;

const planFor = (port: number) =>
  ({ options: { port }, warnings: [] as string[] }) as unknown as DeploymentPlan;

/** A server in a process of its own that listens as QEMU does, with a queue of one. */
async function shallowServer(t: TestContext): Promise<{ child: ChildProcess; port: number }> {
  const source = `
    const server = require('node:http').createServer((_, response) => response.end('ok'));
    server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => console.log(server.address().port));`;
  const child = spawn(process.execPath, ['-e', source], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  const port = await new Promise<number>((resolve) =>
    child.stdout!.once('data', (chunk) => resolve(Number(chunk))),
  );
  return { child, port };
}

const able = { skip: queueStaysShort() };

describe('the accept queue of a forwarded port', () => {
  it('holds what comes while the process does something else', able, async (t) => {
    const { child, port } = await shallowServer(t);
    const plan = planFor(port);
    await deepenAcceptQueue(plan, child.pid!);
    assert.deepEqual(plan.warnings, []);
    child.kill('SIGSTOP');
    const replies = burst('127.0.0.1', port, { connections: CONNECTIONS, timeoutMs: 20_000 });
    await new Promise((resolve) => setTimeout(resolve, 300));
    child.kill('SIGCONT');
    assert.deepEqual(await replies, Array(CONNECTIONS).fill('HTTP/1.1 200 OK'));
  });

  it('is warned about once where the process does not listen there', able, async (t) => {
    const { child, port } = await shallowServer(t);
    const plan = planFor(port === 65_535 ? port - 1 : port + 1);
    await deepenAcceptQueue(plan, child.pid!);
    await deepenAcceptQueue(plan, child.pid!);
    assert.equal(plan.warnings.length, 1);
    assert.match(plan.warnings[0]!, /one new connection at a time.*does not listen on port/);
  });

  it('is warned about where the host has no way to it', async () => {
    const missing: Run = async () => ({ missing: true, code: null, stderr: '' }) as CommandResult;
    const plan = planFor(5001);
    await deepenAcceptQueue(plan, process.pid, missing);
    assert.match(plan.warnings[0]!, /many at once stall for seconds.*(perl|Linux)/);
  });
});
