import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { ConfigError, parseConfig, VARIABLES } from '../../workload/config.ts';

test('an empty environment is a valid configuration with the documented defaults', () => {
  assert.deepEqual(parseConfig({}), {
    host: '127.0.0.1',
    port: 5001,
    dbUrl: 'file:scratchpad.db',
    dbToken: undefined,
    synchronous: 'normal',
    busyTimeoutMs: 5000,
    nonce: null,
    log: 'off',
    seed: false,
    serverTiming: true,
    https: false,
    drainMs: 10_000,
    requestTimeoutMs: 30_000,
  });
  const unset = Object.fromEntries(VARIABLES.map(({ name }) => [name, '']));
  assert.deepEqual(parseConfig(unset), parseConfig({}));
});

test('every variable is read', () => {
  const config = parseConfig({
    SCRATCHPAD_HOST: '0.0.0.0',
    SCRATCHPAD_PORT: '0',
    SCRATCHPAD_DB_URL: 'file:other.db',
    SCRATCHPAD_DB_TOKEN: 't',
    SCRATCHPAD_SYNCHRONOUS: 'full',
    SCRATCHPAD_BUSY_TIMEOUT_MS: '1',
    SCRATCHPAD_NONCE: 'n',
    SCRATCHPAD_LOG: 'requests',
    SCRATCHPAD_SEED: '1',
    SCRATCHPAD_SERVER_TIMING: '0',
    SCRATCHPAD_HTTPS: '1',
    SCRATCHPAD_DRAIN_MS: '2',
    SCRATCHPAD_REQUEST_TIMEOUT_MS: '300',
  });
  const defaults = parseConfig({});
  for (const [key, value] of Object.entries(config)) {
    assert.notEqual(value, defaults[key as keyof typeof defaults], key);
  }
  assert.equal(Object.keys(config).length, VARIABLES.length);
});

test('all faults are told at once, each with its variable, its bounds and what it was', () => {
  try {
    parseConfig({
      SCRATCHPAD_PORT: '65536',
      SCRATCHPAD_DB_URL: 'postgres://x',
      SCRATCHPAD_SYNCHRONOUS: 'off',
      SCRATCHPAD_SEED: 'yes',
      SCRATCHPAD_NONCE: 'a b',
      SCRATCHPAD_DRAIN_MS: '-1',
    });
    assert.fail('it was accepted');
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    assert.deepEqual(error.faults, [
      'SCRATCHPAD_DB_URL must begin with file:, libsql://, https:// or http://, not "postgres://x"',
      'SCRATCHPAD_NONCE must be at most 200 printable ASCII characters without spaces',
      'SCRATCHPAD_PORT must be a whole number from 0 to 65535, not "65536"',
      'SCRATCHPAD_SYNCHRONOUS must be normal or full, not "off"',
      'SCRATCHPAD_SEED must be 0 or 1, not "yes"',
      'SCRATCHPAD_DRAIN_MS must be a whole number from 0 to 600000, not "-1"',
    ]);
  }
});

test('durability of a server is not asked for in vain: that is the server’s own setting', () => {
  const env = { SCRATCHPAD_DB_URL: 'libsql://db.example', SCRATCHPAD_SYNCHRONOUS: 'full' };
  assert.throws(() => parseConfig(env), /SCRATCHPAD_SYNCHRONOUS=full is for a file/);
  assert.equal(parseConfig({ ...env, SCRATCHPAD_SYNCHRONOUS: 'normal' }).synchronous, 'normal');
});

test('where there are no files the database has to be a server', () => {
  const parse = (url: string) => parseConfig({ SCRATCHPAD_DB_URL: url }, { hasFiles: false });
  assert.throws(() => parse(''), /SCRATCHPAD_DB_URL must name a libSQL server here/);
  assert.equal(parse('http://127.0.0.1:8080').dbUrl, 'http://127.0.0.1:8080');
});

test('every variable is described where the runtimes are, with its default', () => {
  const text = readFileSync(
    new URL('../../docs/decisions/workload-runtimes.md', import.meta.url),
    'utf8',
  );
  for (const { name, default: value } of VARIABLES) {
    const row = text.split('\n').find((line) => line.startsWith(`| \`${name}\` |`));
    assert.ok(row, `${name} has no row`);
    assert.equal(row.split('|')[2]!.trim(), value === '' ? '–' : `\`${value}\``, name);
  }
});

test('credentials in a URL that is not taken are not repeated', () => {
  assert.throws(
    () => parseConfig({ SCRATCHPAD_DB_URL: 'postgres://user:pass@word@host/posts' }),
    (error: ConfigError) =>
      error.message.includes('"postgres://…@host/posts"') && !error.message.includes('pass'),
  );
});

test('a secret in the wrong variable is not repeated in full', () => {
  const secret = 's'.repeat(200);
  assert.throws(
    () => parseConfig({ SCRATCHPAD_PORT: secret }),
    (error: ConfigError) => !error.message.includes(secret),
  );
});
