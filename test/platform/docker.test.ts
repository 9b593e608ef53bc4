/** The Docker target on a real engine: what the container may do. Failures: docker-failures.long.test.ts. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe } from 'node:test';
import { isUnavailable } from '../../cli/record/measured.ts';
import { attachDeployment } from '../../cli/targets/deploy.ts';
import { findDeployment } from '../../cli/targets/state.ts';
import { verifyInside } from '../../cli/targets/verify.ts';
import { docker, inside, nameOf } from './docker-shell.ts';
import { platformTest } from './require.ts';
import { lab, ready } from './targets-harness.ts';

const MIB = 1024 * 1024;

describe('the docker target', () => {
  platformTest('docker', 'runs the one artifact, locked down and under its ceilings', async (t) => {
    const { deploy, assertNothingLeft } = lab(t, 'docker');
    const limits = { profile: 'custom', cpus: 0.5, memoryBytes: 200 * MIB } as const;
    const deployment = await deploy({ cpuSet: [0], limits });
    await ready(deployment);
    await verifyInside(deployment);

    const [inspected] = JSON.parse(docker('inspect', nameOf(deployment)));
    const { HostConfig, Config, Mounts } = inspected;
    assert.equal(HostConfig.ReadonlyRootfs, true);
    assert.equal(HostConfig.Privileged, false);
    assert.deepEqual(HostConfig.CapDrop, ['ALL']);
    assert.equal(HostConfig.CapAdd, null);
    assert.deepEqual(HostConfig.SecurityOpt, ['no-new-privileges']);
    assert.equal(HostConfig.PidsLimit, 256);
    assert.equal(HostConfig.NanoCpus, 5e8);
    assert.equal(HostConfig.Memory, 200 * MIB);
    assert.equal(HostConfig.MemorySwap, 200 * MIB);
    assert.equal(HostConfig.CpusetCpus, '0');
    assert.equal(Config.User, '10001:10001');
    assert.equal(Config.Labels['dev.scratchpad.deployment'], deployment.state.id);
    assert.deepEqual(Config.Healthcheck.Test, ['NONE']);
    assert.deepEqual(
      Mounts.map(({ Type, Name, Destination }: Record<string, string>) => [
        Type,
        Name,
        Destination,
      ]),
      [['volume', `${nameOf(deployment)}-data`, '/data']],
    );
    assert.deepEqual(HostConfig.PortBindings, {
      '5001/tcp': [{ HostIp: '127.0.0.1', HostPort: String(deployment.state.plan.options.port) }],
    });

    const status = inside(deployment, 'echo "$(</proc/1/status)"').stdout;
    assert.match(status, /^Uid:\s+10001\s+10001\s+10001\s+10001$/m);
    assert.match(status, /^CapEff:\s+0+$/m);
    assert.match(status, /^CapBnd:\s+0+$/m);
    assert.match(status, /^NoNewPrivs:\s+1$/m);
    assert.match(inside(deployment, 'echo x > /opt/scratchpad/x').stderr, /Read-only file system/);
    assert.match(inside(deployment, 'echo x > /x').stderr, /Read-only file system/);
    assert.equal(inside(deployment, 'echo x > /tmp/x && echo x > /data/x').status, 0);
    // of a base that we made, no mirror's address is left
    assert.equal(inside(deployment, '[ -e /etc/apt/sources.list ]').status, 1);

    await deployment.destroy();
    assertNothingLeft();
  });

  platformTest('docker', 'listens on 127.0.0.1 and on no other address of the host', async (t) => {
    const { deploy } = lab(t, 'docker');
    const deployment = await deploy();
    await ready(deployment);
    const port = deployment.state.plan.options.port.toString(16).toUpperCase().padStart(4, '0');
    const listening = ['/proc/net/tcp', '/proc/net/tcp6']
      .flatMap((file) => readFileSync(file, 'utf8').split('\n').slice(1))
      .map((line) => line.trim().split(/\s+/))
      .filter((fields) => fields[1]?.endsWith(`:${port}`) && fields[3] === '0A')
      .map((fields) => fields[1]);
    assert.deepEqual(listening, [`0100007F:${port}`]);
    assert.equal(deployment.state.plan.path, 'docker-proxy');
  });

  platformTest('docker', 'on the host’s network it answers without a proxy', async (t) => {
    const { deploy, assertNothingLeft } = lab(t, 'docker');
    const deployment = await deploy({ path: 'host-network' });
    await ready(deployment);
    assert.equal(deployment.state.plan.path, 'host-network');
    await deployment.destroy();
    assertNothingLeft();
  });

  platformTest('docker', 'checks its health with bash alone', async (t) => {
    const { deploy } = lab(t, 'docker');
    const deployment = await deploy({ healthCheck: true });
    await ready(deployment);
    const test = docker(
      'inspect',
      '--format',
      '{{json .Config.Healthcheck.Test}}',
      nameOf(deployment),
    );
    assert.deepEqual(JSON.parse(test), ['CMD', '/bin/bash', '/opt/scratchpad/health.sh']);
    assert.equal(inside(deployment, '/bin/bash /opt/scratchpad/health.sh').status, 0);
    const deaf = inside(deployment, 'SCRATCHPAD_PORT=1 /bin/bash /opt/scratchpad/health.sh');
    assert.equal(deaf.status, 1);
  });

  platformTest('docker', 'tells its start-up in phases that follow each other', async (t) => {
    const { deploy } = lab(t, 'docker');
    const deployment = await deploy();
    await ready(deployment);
    const phases = await deployment.phases();
    assert.deepEqual(
      phases.map(({ name, source }) => `${name}: ${source}`),
      [
        'call to created: engine event',
        'created to started: engine event',
        'started to listening: app log',
      ],
    );
    let before = 0;
    for (const { name, startMs, endMs } of phases) {
      assert.equal(startMs, before, name);
      assert.ok(endMs > startMs, `${name}: ${startMs} to ${endMs}`);
      before = endMs;
    }
  });

  platformTest('docker', 'stops in order and starts again with its data', async (t) => {
    const { deploy, assertNothingLeft } = lab(t, 'docker');
    const deployment = await deploy();
    await ready(deployment);
    const created = await fetch(new URL('/api/posts', deployment.url), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ title: 'kept', content: 'over a restart' }),
    });
    assert.equal(created.status, 201);
    await deployment.stop();
    assert.match((await deployment.liveness()).detail, /^container exited with 0; .*"stopped"/s);
    await deployment.restart();
    await ready(deployment);
    assert.match(await (await fetch(deployment.url)).text(), /kept/);
    assert.deepEqual(
      (await deployment.phases()).map(({ name }) => name),
      ['created to started', 'started to listening'],
    );
    await deployment.destroy();
    assertNothingLeft();
  });

  platformTest('docker', 'is managed by another process from its state alone', async (t) => {
    const { deploy, assertNothingLeft } = lab(t, 'docker');
    await ready(await deploy());
    const attached = await attachDeployment(findDeployment('docker')!);
    assert.equal((await attached.liveness()).alive, true);
    assert.match(await attached.logs(1), /"event":"listening"/);
    const { parts } = await attached.storage();
    const shared = parts.filter(({ kind }) => kind === 'shared');
    // the runtime alone is 120 MB, and it is counted once, apart from the base
    assert.ok(Number(shared[1]!.apparentBytes) > 120e6 && Number(shared[1]!.apparentBytes) < 200e6);
    for (const { name, apparentBytes } of parts) assert.ok(!isUnavailable(apparentBytes), name);
    await attached.destroy();
    await attached.destroy();
    assertNothingLeft();
  });

  platformTest('docker', 'a second deployment takes the image from the cache', async (t) => {
    const { deploy } = lab(t, 'docker');
    await (await deploy()).destroy();
    const { prepared } = (await deploy()).state;
    assert.equal(prepared?.cached, true);
    assert.deepEqual(
      prepared?.steps.map(({ name, cached }) => [name, cached]),
      [
        ['base image', true],
        ['image', true],
      ],
    );
  });
});
