import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type Lock, missingOptional } from '../../scripts/complete-lock.ts';
import { root } from '../cli/run-cli.ts';

describe('package-lock.json', () => {
  it('names the packages of every platform, so that npm ci takes it: `npm run lock` mends it', () => {
    const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as Lock;
    assert.deepEqual(Object.keys(missingOptional(lock)), []);
  });

  it('would be completed by the platform that a package’s name tells', () => {
    const lock: Lock = {
      packages: {
        '': {},
        'node_modules/tool': {
          dev: true,
          optionalDependencies: { '@tool/linux-x64-musl': '1.2.3', '@tool/win32-arm64': '1.2.3' },
        },
        'node_modules/@tool/win32-arm64': { version: '1.2.3' },
      },
    };
    assert.deepEqual(missingOptional(lock), {
      'node_modules/@tool/linux-x64-musl': {
        version: '1.2.3',
        cpu: ['x64'],
        dev: true,
        optional: true,
        os: ['linux'],
        libc: ['musl'],
      },
    });
  });
});
