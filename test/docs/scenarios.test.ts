/** docs/SCENARIOS.md: its example is the fixture, and it leaves out no field. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { MAX_LIVE, TOMBSTONES } from '../../cli/load/item-store.ts';
import { BUILT_IN_VARIABLES } from '../../cli/load/request.ts';
import { loadScenario } from '../../cli/load/scenario.ts';
import { root } from '../cli/run-cli.ts';

const text = readFileSync(join(root, 'docs/SCENARIOS.md'), 'utf8');

describe('the document of scenarios', () => {
  it('shows the example as it is', () => {
    const [, shown] = /^```json\n([\s\S]*?)^```$/m.exec(text) ?? [];
    const fixture = readFileSync(join(root, 'fixtures/scenarios/notes.json'), 'utf8');
    assert.deepEqual(JSON.parse(shown!), JSON.parse(fixture));
    assert.equal(shown!.trim(), fixture.trim());
  });

  it('names every field, source and variable of the schema', () => {
    const schema = JSON.parse(
      readFileSync(join(root, 'fixtures/scenarios/scenario.schema.json'), 'utf8'),
    );
    const { operations, ...top } = schema.properties;
    const { capture, expect, effect, ...fields } = operations.items.properties;
    const { from, ...captures } = capture.additionalProperties.properties;
    const names = [
      ...Object.keys({ operations, ...top, capture, expect, effect, ...fields, from, ...captures }),
      ...Object.keys(expect.properties),
      ...Object.keys(top.verify.properties),
      ...from.enum,
      ...effect.enum,
      ...BUILT_IN_VARIABLES,
    ];
    for (const name of names) assert.ok(text.includes(`\`${name}\``), `${name} is not described`);
  });

  it('has the bounds of the code', () => {
    assert.ok(text.includes(`remembers ${MAX_LIVE.toLocaleString('en-US')} items`));
    assert.ok(text.includes(`${TOMBSTONES.toLocaleString('en-US')} deleted ones`));
  });
});

describe('scenarios in fixtures/', () => {
  for (const file of globSync('fixtures/scenarios/*.json', { cwd: root })) {
    if (file.endsWith('.schema.json')) continue;
    it(`${file} is valid`, async () => {
      assert.ok((await loadScenario(join(root, file))).operations.length > 0);
    });
  }
});
