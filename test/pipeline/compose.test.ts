/** The compose file against the docker target: the same ceilings, the same fences. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { runArguments } from '../../cli/targets/docker/container.ts';
import { root } from '../cli/run-cli.ts';
import { dockerPlan } from '../targets/example-state.ts';
import { composeProgram } from './compose-program.ts';

interface Service {
  image: string;
  command?: string[];
  environment: Record<string, string>;
  read_only: boolean;
  cap_drop: string[];
  cap_add?: string[];
  privileged?: boolean;
  security_opt: string[];
  tmpfs: string[];
  volumes: string[];
  ports?: string[];
  networks: string[];
  network_mode?: string;
  cpus?: string | number;
  cpuset: string;
  mem_limit: string | number;
  memswap_limit: string | number;
  pids_limit: number;
  stop_grace_period?: string;
  restart: string;
  logging?: { driver: string; options: Record<string, string> };
}

const file = join(root, 'infra/compose/compose.yaml');
const compose = parse(readFileSync(file, 'utf8')) as {
  services: Record<'app' | 'load', Service>;
  networks: Record<string, { internal: boolean }>;
};
const { app, load } = compose.services;

/** `${NAME:-default}` with nothing set. */
const resolved = (value: string | number | undefined) =>
  String(value).replace(/\$\{\w+:-([^}]*)\}/g, '$1');

/** What the docker target passes to `docker run`, by flag. */
function runFlags(): Map<string, string[]> {
  const flags = new Map<string, string[]>();
  for (const argument of runArguments(dockerPlan({ cpuSet: [1] }), 'image')) {
    const match = /^--([a-z-]+)(?:=(.*))?$/.exec(argument);
    if (match) flags.set(match[1]!, [...(flags.get(match[1]!) ?? []), match[2] ?? '']);
  }
  return flags;
}

describe('infra/compose/compose.yaml', () => {
  const flags = runFlags();
  const flag = (name: string) => flags.get(name)?.join();

  it('gives the app the ceilings of the docker target', () => {
    assert.equal(resolved(app.cpus), flag('cpus'));
    assert.equal(resolved(app.cpuset), flag('cpuset-cpus'));
    assert.equal(resolved(app.mem_limit), flag('memory'));
    assert.equal(resolved(app.memswap_limit), flag('memory-swap'));
    assert.equal(String(app.pids_limit), flag('pids-limit'));
    assert.equal(app.stop_grace_period, `${flag('stop-timeout')}s`);
    assert.equal(app.restart, flag('restart'));
    assert.equal(app.logging!.driver, flag('log-driver'));
    const log = Object.entries(app.logging!.options).map(([name, value]) => `${name}=${value}`);
    assert.deepEqual(log, flags.get('log-opt'));
  });

  it('fences app and load as the docker target fences the app', () => {
    for (const service of [app, load]) {
      assert.equal(service.read_only, flags.has('read-only'));
      assert.deepEqual(service.cap_drop, flags.get('cap-drop'));
      assert.deepEqual(service.security_opt, [`${flag('security-opt')}:true`]);
      assert.deepEqual(service.tmpfs, flags.get('tmpfs'));
      assert.equal(resolved(service.memswap_limit), resolved(service.mem_limit), 'no swap');
      assert.equal(String(service.pids_limit), flag('pids-limit'));
      assert.deepEqual(
        [service.cap_add, service.privileged, service.network_mode, service.ports],
        [undefined, undefined, undefined, undefined],
      );
      assert.deepEqual(service.networks, ['bench']);
    }
    assert.equal(compose.networks['bench']!.internal, true);
    assert.match(flag('mount')!, /target=\/data$/);
    assert.deepEqual(app.volumes, ['data:/data']);
  });

  it('keeps generator and app on CPUs of their own', () => {
    assert.notEqual(resolved(load.cpuset), resolved(app.cpuset));
  });

  it('gives the load a command that the CLI takes', () => {
    const known = readFileSync(join(root, 'cli/commands/load.ts'), 'utf8');
    const [command, ...rest] = load.command!;
    assert.equal(command, 'load');
    for (const argument of rest) {
      const name = /^--([a-z]+)=/.exec(argument)?.[1];
      assert.match(known, new RegExp(`^    ${name}: `, 'm'), argument);
    }
  });

  it('is taken by compose itself', (t) => {
    const program = composeProgram();
    if (program === null) {
      t.skip('neither `docker compose` nor docker-compose is installed');
      return;
    }
    const [name, ...args] = program;
    const result = spawnSync(name, [...args, '--file', file, 'config'], { encoding: 'utf8' });
    assert.equal(result.status, 0, result.stderr);
    const seen = parse(result.stdout) as typeof compose;
    assert.equal(String(seen.services.app.pids_limit), '256');
    assert.equal(seen.services.app.read_only, true);
  });
});
