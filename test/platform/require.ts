/**
 * Guards for tests that need a real engine, VM or browser. Where the host lacks it the test is
 * skipped with the reason (listed at the end of the run); where `SCRATCHPAD_REQUIRE` names it
 * (`docker,vm,browser,…`) the lack is a failure.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { type TestContext, test } from 'node:test';

type Check = () => { ok: true } | { ok: false; reason: string };

function runs(command: string, args: string[], why: string): ReturnType<Check> {
  const { status, error, stderr } = spawnSync(command, args, { encoding: 'utf8', timeout: 20_000 });
  if (status === 0) return { ok: true };
  const detail = error ? error.message : stderr.trim().split('\n').at(-1);
  return { ok: false, reason: `${why}: ${detail}` };
}

const CHECKS: Record<string, Check> = {
  docker: () => runs('docker', ['info', '--format', '{{.ServerVersion}}'], 'no Docker engine'),
  vm: () => runs('qemu-system-x86_64', ['--version'], 'no QEMU'),
  vagrant: () => runs('virsh', ['-c', 'qemu:///system', 'hostname'], 'no libvirt daemon'),
  nginx: () => runs('nginx', ['-v'], 'no nginx'),
  haproxy: () => runs('haproxy', ['-v'], 'no HAProxy'),
  flask: () => runs('python3', ['-c', 'import flask'], 'no Flask'),
  cgroup: () =>
    existsSync('/sys/fs/cgroup') && process.getuid?.() === 0
      ? { ok: true }
      : { ok: false, reason: 'no writable cgroup tree' },
  disk: () =>
    process.platform === 'linux' && process.getuid?.() === 0
      ? runs('mount', ['--version'], 'no mount')
      : { ok: false, reason: 'mounting a small disk needs root on Linux' },
  netns: () =>
    process.platform === 'linux' && process.getuid?.() === 0
      ? runs('unshare', ['--net', 'ip', 'link'], 'no network namespace')
      : { ok: false, reason: 'a network namespace needs root on Linux' },
  browser: () =>
    existsSync('/usr/bin/chromium') ? { ok: true } : { ok: false, reason: 'no /usr/bin/chromium' },
};

const required = new Set((process.env['SCRATCHPAD_REQUIRE'] ?? '').split(',').filter(Boolean));
const cache = new Map<string, ReturnType<Check>>();

export function platform(name: string): ReturnType<Check> {
  const known = cache.get(name);
  if (known) return known;
  const check = CHECKS[name];
  if (!check) throw new Error(`unknown platform requirement: ${name}`);
  const result = check();
  cache.set(name, result);
  return result;
}

/** True where the test can run; otherwise it has been skipped, or has failed if it is required. */
export function requirePlatform(t: TestContext, name: string): boolean {
  const result = platform(name);
  if (result.ok) return true;
  if (required.has(name))
    throw new Error(`SCRATCHPAD_REQUIRE names ${name}, but: ${result.reason}`);
  t.skip(`${name}: ${result.reason}`);
  return false;
}

/** A test that needs `name`. */
export function platformTest(
  name: string,
  title: string,
  body: (t: TestContext) => Promise<void>,
): void {
  void test(title, async (t) => {
    if (requirePlatform(t, name)) await body(t);
  });
}
