import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import {
  deploymentFolder,
  findDeployment,
  listDeployments,
  newState,
  ownerTag,
  readStates,
  removeState,
  saveState,
  withStateLock,
} from '../../cli/targets/state.ts';
import { exampleState } from './example-state.ts';
import { stateSandbox } from './harness.ts';

describe('state of deployments', () => {
  it('comes back as it was saved, readable by its owner alone', (t) => {
    const folder = stateSandbox(t);
    const state = exampleState();
    saveState(state);
    assert.deepEqual(listDeployments(), [state]);
    const { mode } = statSync(join(folder, 'deployments', `${state.id}.json`));
    if (process.platform !== 'win32') assert.equal(mode & 0o777, 0o600);
  });

  it('made anew for a reserved deployment keeps who deploys it, by which module, and since when', (t) => {
    stateSandbox(t);
    const { plan } = exampleState();
    assert.equal('module' in newState(plan, null), false, 'nothing is reserved yet');
    const reserved = {
      ...newState(plan, null),
      createdAt: '2020-01-01T00:00:00.000Z',
      deployer: { pid: 4_000_000, startTicks: 7 },
      module: '/somewhere/nice.mjs',
    };
    saveState(reserved);
    const started = newState(plan, null, { container: 'c' });
    assert.deepEqual(started, { ...reserved, resources: { container: 'c' } });
  });

  it('is empty where nothing was ever deployed', (t) => {
    stateSandbox(t);
    assert.deepEqual(listDeployments(), []);
    assert.equal(findDeployment('bare'), undefined);
  });

  it('the newest deployment of a target is found', (t) => {
    stateSandbox(t);
    const at = (year: number, id: string, target = 'docker') =>
      saveState(exampleState({ id, target, createdAt: `${year}-01-01T00:00:00.000Z` }));
    at(2021, 'b-newer');
    at(2020, 'c-older');
    at(2022, 'a-other', 'bare');
    assert.equal(findDeployment('docker')?.id, 'b-newer');
    assert.deepEqual(
      listDeployments().map(({ id }) => id),
      ['c-older', 'b-newer', 'a-other'],
    );
  });

  for (const [what, text, reason] of [
    ['cut off', '{"schemaVersion":1,"id":"x', /not JSON/],
    ['of another version', '{"schemaVersion":2,"id":"x"}', /schemaVersion is 2, not 1/],
    ['something else', '{"name":"left-pad"}', /schemaVersion is undefined/],
    ['without a plan', '{"schemaVersion":1,"id":"x"}', /not a deployment's state/],
    ['null', 'null', /schemaVersion is undefined/],
  ] as const) {
    it(`a file that is ${what} is an error that names it, and does not hide the others`, (t) => {
      const folder = stateSandbox(t);
      const good = exampleState();
      saveState(good);
      const file = join(folder, 'deployments', 'x.json');
      writeFileSync(file, text);
      assert.throws(listDeployments, (error: Error & { code: string; hint: string }) => {
        assert.equal(error.code, 'STATE_UNREADABLE');
        assert.ok(error.message.includes(file), error.message);
        assert.match(error.hint, /down --all/);
        return true;
      });
      const { states, broken } = readStates();
      assert.deepEqual(states, [good]);
      assert.equal(broken.length, 1);
      assert.match(broken[0]!.reason, reason);
    });
  }

  it('a state under another name than its own is foreign', (t) => {
    const folder = stateSandbox(t);
    const state = exampleState();
    saveState(state);
    const text = readFileSync(join(folder, 'deployments', `${state.id}.json`));
    writeFileSync(join(folder, 'deployments', 'renamed.json'), text);
    assert.match(readStates().broken[0]!.reason, new RegExp(`holds the state of ${state.id}`));
  });

  it('files of others in SCRATCHPAD_STATE_DIR itself are neither read nor removed', (t) => {
    const folder = stateSandbox(t);
    mkdirSync(join(folder, 'package'));
    writeFileSync(join(folder, 'package.json'), '{}');
    assert.deepEqual(readStates(), { states: [], broken: [] });
    removeState('package');
    assert.ok(existsSync(join(folder, 'package.json')));
    assert.ok(existsSync(join(folder, 'package')));
  });

  it('removal takes the folder with it and can be repeated', (t) => {
    stateSandbox(t);
    const { id } = exampleState({ id: 'gone' });
    saveState(exampleState({ id }));
    mkdirSync(join(deploymentFolder(id), 'data'), { recursive: true });
    removeState(id);
    removeState(id);
    assert.deepEqual(listDeployments(), []);
    assert.equal(existsSync(deploymentFolder(id)), false);
  });

  it('a place that cannot be written is an error with a hint', (t) => {
    const folder = stateSandbox(t);
    writeFileSync(join(folder, 'deployments'), 'a file where the folder should be');
    assert.throws(
      () => saveState(exampleState()),
      (error: Error & { code: string; hint: string }) => {
        assert.equal(error.code, 'OUTPUT_UNWRITABLE');
        assert.match(error.hint, /SCRATCHPAD_STATE_DIR/);
        return true;
      },
    );
  });

  it('two state folders are two owners, whichever way they are written', (t) => {
    const folder = stateSandbox(t);
    const here = ownerTag();
    process.env['SCRATCHPAD_STATE_DIR'] = `${folder}/./`;
    assert.equal(ownerTag(), here);
    process.env['SCRATCHPAD_STATE_DIR'] = `${folder}2`;
    assert.notEqual(ownerTag(), here);
  });
});

describe('the lock', () => {
  it('lets one process in at a time', async (t) => {
    const folder = stateSandbox(t);
    const counter = join(folder, 'counter');
    writeFileSync(counter, '0');
    // read, yield, write: without the lock increments are lost
    const program = `
      import { readFileSync, writeFileSync } from 'node:fs';
      import { withStateLock } from ${JSON.stringify(new URL('../../cli/targets/state.ts', import.meta.url).href)};
      for (let i = 0; i < 8; i++) {
        await withStateLock(async () => {
          const value = Number(readFileSync(${JSON.stringify(counter)}, 'utf8'));
          await new Promise((resolve) => setImmediate(resolve));
          writeFileSync(${JSON.stringify(counter)}, String(value + 1));
        });
      }`;
    const codes = await Promise.all(
      Array.from(
        { length: 3 },
        () =>
          new Promise((resolve) => {
            const args = ['--import', 'tsx', '--input-type=module', '-e', program];
            spawn(process.execPath, args, { stdio: 'inherit' }).on('close', resolve);
          }),
      ),
    );
    assert.deepEqual(codes, [0, 0, 0]);
    assert.equal(readFileSync(counter, 'utf8'), '24');
    assert.equal(existsSync(join(folder, 'deployments', 'lock')), false);
  });

  for (const [what, content] of [
    ['whose holder has died', JSON.stringify({ pid: process.pid, startTicks: 1 })],
    ['that is garbage', 'garbage'],
  ] as const) {
    it(`a lock ${what} is taken over`, async (t) => {
      const folder = stateSandbox(t);
      mkdirSync(join(folder, 'deployments'));
      // this pid runs, but began at another time: it was used again
      writeFileSync(join(folder, 'deployments', 'lock'), content);
      assert.equal(await withStateLock(() => 'in'), 'in');
    });
  }

  it('is released where the body throws', async (t) => {
    stateSandbox(t);
    await assert.rejects(
      withStateLock(() => {
        throw new Error('body');
      }),
      /body/,
    );
    assert.equal(await withStateLock(() => 'in'), 'in');
  });
});
