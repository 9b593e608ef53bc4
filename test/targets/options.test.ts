import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { limitsFor, newDeployOptions } from '../../cli/targets/options.ts';

const MIB = 1024 * 1024;

describe('ceilings', () => {
  it('are the same for every target by default', () => {
    const equal = { profile: 'equal', cpus: 1, memoryBytes: 1024 * MIB };
    for (const target of ['bare', 'docker', 'vm']) assert.deepEqual(limitsFor(target), equal);
  });

  it('classic is the predecessor’s unequal set-up, and bare gets the container’s', () => {
    const container = { profile: 'classic', cpus: 1, memoryBytes: 256 * MIB };
    const classic = { profile: 'classic' } as const;
    assert.deepEqual(limitsFor('docker', classic), container);
    assert.deepEqual(limitsFor('bare', classic), container);
    const machine = { profile: 'classic', cpus: 2, memoryBytes: 1024 * MIB };
    assert.deepEqual(limitsFor('vm', classic), machine);
  });

  it('a changed figure makes them custom, the default figure does not', () => {
    assert.equal(limitsFor('docker', { cpus: 2 }).profile, 'custom');
    assert.equal(limitsFor('docker', { cpus: 1 }).profile, 'equal');
    assert.equal(limitsFor('docker', { memoryBytes: 512 * MIB }).profile, 'custom');
  });

  for (const [what, choice] of [
    ['no CPU', { cpus: 0 }],
    ['less than no CPU', { cpus: -1 }],
    ['NaN', { cpus: Number.NaN }],
    ['endless CPUs', { cpus: Number.POSITIVE_INFINITY }],
    ['no memory', { memoryBytes: 0 }],
    ['a part of a byte', { memoryBytes: 1e9 + 0.5 }],
  ] as const) {
    it(`${what} is a usage error`, () => {
      assert.throws(() => limitsFor('bare', choice), { code: 'BAD_FLAG' });
    });
  }
});

describe('options of a deployment', () => {
  it('bind to 127.0.0.1:5001 and differ in id and nonce', () => {
    const [a, b] = [newDeployOptions(), newDeployOptions()];
    assert.equal(a.host, '127.0.0.1');
    assert.equal(a.port, 5001);
    assert.notEqual(a.id, b.id);
    assert.notEqual(a.nonce, b.nonce);
    assert.match(a.id, /^[a-z0-9-]+$/);
  });

  for (const id of ['', 'A', 'a b', '-x', '../x', 'x'.repeat(42), 'a$(b)']) {
    it(`"${id}" names no deployment: it would name files, containers and cgroups`, () => {
      assert.throws(() => newDeployOptions({ id }), { code: 'BAD_FLAG' });
    });
  }
});
