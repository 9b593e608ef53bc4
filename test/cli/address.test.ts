import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { it } from 'node:test';
import { sandbox } from './run-cli.ts';

it('an address may stand in the target’s place, and only one may be given', async (t) => {
  const server = createServer((_, response) => response.end('fine'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const url = `http://127.0.0.1:${(server.address() as { port: number }).port}/`;
  const { run } = sandbox(t);
  const load = ['load', url, '--connections', '1', '--duration', '0.2', '--no-pin', '--json'];
  const { code, json, stderr } = await run(load);
  // 4: a host as busy as a test's may well starve the load, and the record says so
  assert.ok(code === 0 || code === 4, stderr);
  const record = json<{ target: { name: string; url: string }; counts: { answered: number } }>();
  assert.equal(record.target.url, url);
  assert.ok(record.counts.answered > 0);
  assert.equal((await run(['probe', url, '--trials', '1'])).code, 0);
  const both = await run([...load, '--url', url]);
  assert.equal(both.code, 2);
  assert.match(both.stdout, /BAD_FLAG/);
});
