/** The Docker target's parts at the process boundary: no engine is needed. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import {
  baseImage,
  debootstrapArguments,
  PUBLIC_BASE,
  packageRecipe,
} from '../../cli/targets/docker/base.ts';
import { runArguments } from '../../cli/targets/docker/container.ts';
import { createDockerTarget } from '../../cli/targets/docker/docker.ts';
import { Engine, engineError, isLocalEndpoint } from '../../cli/targets/docker/engine.ts';
import { engineEvents, startUpPhases } from '../../cli/targets/docker/events.ts';
import {
  buildImage,
  commandInside,
  contextEntries,
  imageReference,
  readRecipe,
} from '../../cli/targets/docker/image.ts';
import { isProxyOf, offeredPaths, plannedPath } from '../../cli/targets/docker/path.ts';
import { tarStream } from '../../cli/targets/docker/tar.ts';
import { dockerPlan } from './example-state.ts';
import {
  fakeRun,
  NEVER,
  recordingProgress,
  result,
  stateSandbox,
  withEnvironment,
} from './harness.ts';

const INFO = JSON.stringify({
  ServerVersion: '20.10.24',
  OperatingSystem: 'Debian GNU/Linux 12',
  NCPU: 2,
  CgroupVersion: '1',
  Driver: 'overlay2',
  SecurityOptions: ['name=seccomp,profile=default'],
});

const deploymentPlan = (partial: Parameters<typeof dockerPlan>[0] = {}) =>
  dockerPlan({ id: 'abc', nonce: 'n', port: 8080, ...partial });

describe('what is wrong with the engine', () => {
  const CANNOT =
    'Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?';

  it('no docker command at all', () => {
    const error = engineError(result({ missing: true, code: null }));
    assert.equal(error?.code, 'ENGINE_ABSENT');
    assert.match(error?.hint ?? '', /scratchpad doctor --install/);
  });

  for (const [words, code] of [
    [
      'permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: Get "http://…": dial unix /var/run/docker.sock: connect: permission denied',
      'ENGINE_PERMISSION',
    ],
    [
      'Got permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock',
      'ENGINE_PERMISSION',
    ],
    [
      'permission denied while trying to connect to the docker API at unix:///var/run/docker.sock',
      'ENGINE_PERMISSION',
    ],
    [
      'error during connect: Get "http://host:2375/v1.24/info": dial tcp: lookup host: no such host',
      'ENGINE_STOPPED',
    ],
    [
      'failed to connect to the docker API at unix:///nope.sock; check if the path is correct',
      'ENGINE_STOPPED',
    ],
    [CANNOT, 'ENGINE_STOPPED'],
  ] as const) {
    it(`${code}: ${words.slice(0, 60)}…`, (t) => {
      withEnvironment(t, { DOCKER_HOST: 'unix:///nope.sock' });
      assert.equal(engineError(result({ code: 1, stderr: `${words}\n` }))?.code, code);
    });
  }

  it('one that does not answer a question in time is stopped', async () => {
    const { run } = fakeRun([[/^docker/, { code: null, timedOut: true }]]);
    await assert.rejects(new Engine(run).info(), { code: 'ENGINE_STOPPED', hint: /log/ });
  });

  it('a command that fails for its own reason is not the engine’s fault', async () => {
    const failed = result({ code: 125, stderr: 'docker: invalid reference format.' });
    assert.equal(engineError(failed), null);
    const { run } = fakeRun([[/^docker/, failed]]);
    await assert.rejects(new Engine(run).call(['run', 'X']), {
      code: 'ENGINE_FAILED',
      message: /docker run failed: docker: invalid reference format/,
    });
  });

  it('the failure that 20.10 reports with exit code 0 is found', async (t) => {
    withEnvironment(t, { DOCKER_HOST: 'unix:///nope.sock' });
    const { run } = fakeRun([
      [/info/, { stdout: JSON.stringify({ ServerErrors: [CANNOT] }) }],
      [/context/, { stdout: 'unix:///nope.sock\n' }],
    ]);
    await assert.rejects(new Engine(run).info(), { code: 'ENGINE_STOPPED' });
  });

  it('an engine on another machine is refused: load stays on this one', async () => {
    const { run } = fakeRun([
      [/info/, { stdout: INFO }],
      [/context/, { stdout: 'ssh://me@far.example\n' }],
    ]);
    const answer = await createDockerTarget(run).availability(null);
    assert.equal(answer.available, false);
    assert.equal(answer.available ? '' : answer.code, 'ENGINE_REMOTE');
    for (const far of [
      'ssh://h',
      'tcp://10.0.0.1:2375',
      'tcp://127.0.0.1.example:1',
      'tcp://h:2376',
    ]) {
      assert.equal(isLocalEndpoint(far), false, far);
    }
    for (const near of [
      'unix:///x',
      'npipe:////./pipe/docker_engine',
      'tcp://127.0.0.1:2375',
      'tcp://localhost:1',
      'tcp://[::1]:2375',
    ]) {
      assert.equal(isLocalEndpoint(near), true, near);
    }
  });
});

describe('docker run', () => {
  it('gives the container nothing but what it needs', () => {
    const args = runArguments(deploymentPlan(), 'scratchpad:1');
    for (const expected of [
      '--read-only',
      '--cap-drop=ALL',
      '--security-opt=no-new-privileges',
      '--pids-limit=256',
      '--cpus=1',
      '--memory=1073741824',
      '--memory-swap=1073741824',
      '--publish=127.0.0.1:8080:5001',
      '--mount=type=volume,source=scratchpad-abc-data,target=/data',
      '--pull=never',
      '--no-healthcheck',
      'SCRATCHPAD_NONCE=n',
    ]) {
      assert.ok(args.includes(expected), expected);
    }
    assert.equal(args.at(-1), 'scratchpad:1');
    assert.equal(
      args.some((arg) => /privileged|cap-add|--network|docker\.sock/.test(arg)),
      false,
    );
    assert.equal(
      args.some((arg) => arg.startsWith('--cpuset-cpus')),
      false,
    );
  });

  it('never publishes a port of another address', () => {
    const ports = runArguments(deploymentPlan(), 'i').filter((arg) => /^(-p|--publish)/.test(arg));
    assert.deepEqual(ports, ['--publish=127.0.0.1:8080:5001']);
  });

  it('on the host’s network it listens on 127.0.0.1 itself', () => {
    const args = runArguments(deploymentPlan({ path: 'host-network' }), 'i');
    assert.ok(args.includes('--network=host'));
    assert.ok(args.includes('SCRATCHPAD_HOST=127.0.0.1'));
    assert.ok(args.includes('SCRATCHPAD_PORT=8080'));
    assert.equal(
      args.some((arg) => arg.startsWith('--publish')),
      false,
    );
  });

  it('pins, logs requests, checks health and leaves the seed out where asked', () => {
    const plan = deploymentPlan({
      cpuSet: [1, 3],
      requestLog: true,
      healthCheck: true,
      seed: false,
    });
    const args = runArguments(plan, 'i');
    assert.ok(args.includes('--cpuset-cpus=1,3'));
    assert.ok(args.includes('SCRATCHPAD_LOG=requests'));
    assert.ok(args.includes('SCRATCHPAD_SEED=0'));
    assert.equal(args.includes('--no-healthcheck'), false);
  });
});

describe('the path to a container', () => {
  it('is what the engine does, and the host’s network where asked', () => {
    assert.equal(plannedPath(null, true), 'docker-proxy');
    assert.equal(plannedPath(null, false), 'iptables');
    assert.equal(plannedPath('host-network', true), 'host-network');
    for (const proxy of [true, false]) {
      // what is offered can be had, the default first
      const offered = offeredPaths(true, proxy);
      assert.deepEqual(
        offered.map((path) => plannedPath(path, proxy)),
        offered,
      );
      assert.equal(offered[0], plannedPath(null, proxy));
      // an engine in a VM of its own has another "host"
      assert.deepEqual(offeredPaths(false, proxy), [offered[0]]);
    }
    assert.throws(() => plannedPath('iptables', true), {
      code: 'BAD_FLAG',
      hint: /userland-proxy/,
    });
    assert.throws(() => plannedPath('hostfwd', true), { code: 'BAD_FLAG', hint: /docker-proxy/ });
  });

  it('a proxy is ours by its host port, not by a part of it', () => {
    const words = [
      '/usr/bin/docker-proxy',
      '-proto',
      'tcp',
      '-host-ip',
      '127.0.0.1',
      '-host-port',
      '5001',
      '-container-ip',
      '172.17.0.2',
      '-container-port',
      '50010',
    ];
    assert.equal(isProxyOf(words, 5001), true);
    assert.equal(isProxyOf(words, 500), false);
    assert.equal(isProxyOf(words, 50010), false);
    assert.equal(isProxyOf(['vi', '-host-port', '5001'], 5001), false);
  });
});

describe('phases', () => {
  const event = (Action: string, atMs: number) => JSON.stringify({ Action, timeNano: atMs * 1e6 });

  it('run from the call through the engine’s events to the app’s own word', () => {
    const events = [event('create', 1_050), event('attach', 1_060), event('start', 1_500)].join(
      '\n',
    );
    const log = `{"event":"listening","atMs":1750,"port":1}\n`;
    assert.deepEqual(startUpPhases(1_000, events, log), [
      { name: 'call to created', startMs: 0, endMs: 50, source: 'engine event' },
      { name: 'created to started', startMs: 50, endMs: 500, source: 'engine event' },
      { name: 'started to listening', startMs: 500, endMs: 750, source: 'app log' },
    ]);
  });

  it('of an earlier start do not count, and what is not known is left out', () => {
    const events = [event('create', 10), event('start', 20), event('start', 2_000)].join('\n');
    assert.deepEqual([...engineEvents(events, 1_000)], [['start', 2_000]]);
    const old = '{"event":"listening","atMs":30}\n{"event":"stopped"}\nnot json {"listening"';
    assert.deepEqual(startUpPhases(1_000, events, old), [
      { name: 'created to started', startMs: 0, endMs: 1_000, source: 'engine event' },
    ]);
  });
});

describe('the image', () => {
  const entries = { node: 'server.mjs', deno: 'deno.mjs', bun: 'bun.mjs' };
  const request = {
    base: { kind: 'public' as const, reference: PUBLIC_BASE, id: 'sha256:b', cached: true },
    artifact: { folder: '/a', entry: 'server.mjs', entries, sha256: 'a', files: {} },
    runtime: {
      name: 'node' as const,
      path: '/n',
      version: '24',
      sha256: 'n',
      pinned: true,
      warnings: [],
    },
  };
  const recipe = { Dockerfile: 'FROM x', 'check.sh': '1', 'health.sh': 'exit 0' };

  it('has another tag when any of its parts is another', () => {
    const { base, artifact, runtime } = request;
    const tags = [
      imageReference(request, recipe),
      imageReference({ ...request, base: { ...base, id: 'sha256:c' } }, recipe),
      imageReference({ ...request, artifact: { ...artifact, sha256: 'b' } }, recipe),
      imageReference({ ...request, runtime: { ...runtime, sha256: 'm' } }, recipe),
      imageReference({ ...request, runtime: { ...runtime, name: 'bun' } }, recipe),
      imageReference(request, { ...recipe, Dockerfile: 'FROM y' }),
      imageReference(request, { ...recipe, 'health.sh': 'exit 1' }),
      imageReference(request, { ...recipe, 'check.sh': '2' }),
    ];
    assert.equal(new Set(tags).size, tags.length);
    assert.equal(imageReference(request, recipe), tags[0]);
    for (const tag of tags) assert.match(tag, /^scratchpad:[0-9a-f]{12}$/);
  });

  it('that is here already is not built', async () => {
    const { run, calls } = fakeRun([[/image inspect/, { stdout: 'sha256:i\n' }]]);
    const built = await buildImage(new Engine(run), request, recordingProgress(), {});
    assert.equal(built.cached, true);
    assert.equal(calls.length, 1);
  });

  it('that cannot be built tells the build’s last lines and its base', async () => {
    const { run } = fakeRun([
      [/image inspect/, { code: 1, stderr: 'No such image' }],
      [
        /build/,
        {
          code: 1,
          stdout: 'Step 6/22 : RUN',
          stderr: 'node: error while loading shared libraries: libstdc++.so.6',
        },
      ],
    ]);
    await assert.rejects(
      buildImage(new Engine(run), request, recordingProgress(), {}),
      (error: Error & { code: string; cause: string; details: { log: string; base: string } }) => {
        assert.equal(error.code, 'IMAGE_BUILD_FAILED');
        assert.match(error.cause, /libstdc\+\+/);
        assert.match(error.details.log, /Step 6/);
        assert.equal(error.details.base, PUBLIC_BASE);
        return true;
      },
    );
  });

  it('its context has every file once, in one order, with fixed modes', () => {
    const artifact = {
      ...request.artifact,
      files: {
        'server.mjs': { sha256: '', bytes: 1 },
        'node_modules/@libsql/x/index.node': { sha256: '', bytes: 1 },
      },
    };
    const entries = contextEntries({ ...request, artifact }, recipe);
    assert.deepEqual(
      entries.map(({ path, mode }) => `${mode.toString(8)} ${path}`),
      [
        '644 Dockerfile',
        '644 check.sh',
        '644 health.sh',
        '755 app',
        '755 app/node_modules',
        '755 app/node_modules/@libsql',
        '755 app/node_modules/@libsql/x',
        '755 bin',
        '755 data',
        '755 bin/node',
        '644 app/artifact.json',
        '644 app/node_modules/@libsql/x/index.node',
        '644 app/server.mjs',
      ],
    );
  });

  it('each stage of the recipe runs what the bare target would', () => {
    const { Dockerfile } = readRecipe();
    for (const name of ['node', 'deno', 'bun'] as const) {
      const stage = new RegExp(
        `^FROM configured AS ${name}\\nENTRYPOINT (\\[.*\\])\\nCMD (\\[.*\\])$`,
        'm',
      ).exec(Dockerfile);
      const command = [...JSON.parse(stage![1]!), ...JSON.parse(stage![2]!)];
      const runtime = { ...request.runtime, name };
      assert.deepEqual(command, commandInside({ ...request, runtime }));
    }
  });

  it('its recipe starts no second Node for the health check and names no user by name', () => {
    const { Dockerfile, 'health.sh': health } = readRecipe();
    assert.match(Dockerfile, /^USER 10001:10001$/m);
    assert.match(Dockerfile, /^ARG BASE_IMAGE=debian:bookworm-slim$/m);
    const check = /^HEALTHCHECK[^\n]*\n\s*CMD (.*)$/m.exec(Dockerfile)?.[1];
    assert.equal(check, '["/bin/bash", "/opt/scratchpad/health.sh"]');
    assert.doesNotMatch(health, /node|curl|wget/);
  });
});

describe('the build context as tar', () => {
  const long = `${'d'.repeat(120)}/${'n'.repeat(90)}`;

  it('is read by the system’s tar, long paths and whole blocks included', async (t) => {
    const folder = stateSandbox(t);
    const file = join(folder, 'block');
    writeFileSync(file, 'x'.repeat(1024));
    const archive = await text(
      tarStream([
        { path: 'a', mode: 0o644, text: 'text' },
        { path: 'd', mode: 0o755, folder: true },
        { path: long, mode: 0o644, text: 'deep' },
        { path: 'block', mode: 0o755, file },
      ]),
    );
    const { stdout, status, stderr } = spawnSync('tar', ['-tvf', '-'], {
      input: archive,
      encoding: 'utf8',
    });
    assert.equal(status, 0, stderr);
    const lines = stdout.trim().split('\n');
    assert.match(lines[0]!, /^-rw-r--r-- (0\/0|root\/root)\s+4 1970-01-01 .* a$/);
    assert.match(lines[1]!, /^drwxr-xr-x .* d\/$/);
    assert.ok(lines[2]!.endsWith(long));
    assert.match(lines[3]!, /^-rwxr-xr-x .* 1024 /);
    const extracted = spawnSync('tar', ['-xOf', '-', 'block'], {
      input: archive,
      encoding: 'utf8',
    });
    assert.equal(extracted.stdout, 'x'.repeat(1024));
  });

  it('is the same bytes each time', async () => {
    const entries = [{ path: 'a', mode: 0o644, text: 'text' }];
    const hash = async () =>
      createHash('sha256')
        .update(await text(tarStream(entries)))
        .digest('hex');
    assert.equal(await hash(), await hash());
  });

  it('refuses a path that the format cannot hold', async () => {
    await assert.rejects(
      text(tarStream([{ path: 'n'.repeat(101), mode: 0o644, text: '' }])),
      /too long/,
    );
  });
});

describe('the base image', () => {
  const recipe = packageRecipe();
  const ABSENT = { code: 1, stderr: 'No such image' };

  async function find(
    answers: Parameters<typeof fakeRun>[0],
    t: Parameters<typeof stateSandbox>[0],
  ) {
    const folder = stateSandbox(t);
    withEnvironment(t, { SCRATCHPAD_BASE_IMAGE: undefined });
    const { run, calls } = fakeRun(answers);
    const progress = recordingProgress();
    const work = () =>
      baseImage({
        engine: new Engine(run),
        run,
        progress,
        options: { signal: NEVER },
        workFolder: join(folder, 'w'),
      });
    return { work, calls, progress };
  }

  it('is the public one where that is here: nothing is pulled', async (t) => {
    const { work, calls } = await find([[/inspect .*debian/, { stdout: 'sha256:p' }]], t);
    assert.deepEqual(await work(), {
      kind: 'public',
      reference: PUBLIC_BASE,
      id: 'sha256:p',
      cached: true,
    });
    assert.equal(calls.length, 1);
  });

  it('is the one made before where that is here: no waiting for a registry', async (t) => {
    const { work, calls } = await find(
      [
        [/inspect .*debian/, ABSENT],
        [/inspect .*scratchpad-base/, { stdout: 'sha256:d' }],
      ],
      t,
    );
    assert.equal((await work()).kind, 'distribution');
    assert.ok(calls.every((call) => !call.includes('pull')));
  });

  it('is pulled, where the registry answers', async (t) => {
    let pulled = false;
    const { work, progress } = await find(
      [
        [/inspect .*debian/, () => (pulled ? { stdout: 'sha256:p' } : ABSENT)],
        [/inspect .*scratchpad-base/, ABSENT],
        [
          /^docker pull debian:bookworm-slim$/,
          () => {
            pulled = true;
            return {};
          },
        ],
      ],
      t,
    );
    assert.deepEqual(await work(), {
      kind: 'public',
      reference: PUBLIC_BASE,
      id: 'sha256:p',
      cached: false,
    });
    assert.deepEqual(progress.warnings, []);
  });

  for (const [what, pull] of [
    [
      'cannot be reached',
      {
        code: 1,
        stderr:
          'Error response from daemon: Get "https://registry-1.docker.io/v2/": dial tcp: lookup registry-1.docker.io: no such host',
      },
    ],
    ['does not answer in time', { code: null, timedOut: true }],
  ] as const) {
    it(`is made of packages, with a warning, where the registry ${what}`, async (t) => {
      const { work, calls, progress } = await find(
        [
          [/inspect/, ABSENT],
          [/^docker pull/, pull],
          [/^mmdebstrap/, {}],
          [/^docker import .* scratchpad-base:/, { stdout: 'sha256:d\n' }],
        ],
        t,
      );
      const base = await work();
      assert.deepEqual(base, {
        kind: 'distribution',
        reference: recipe.reference,
        id: 'sha256:d',
        cached: false,
      });
      assert.match(progress.warnings.join(), /cannot be pulled \((no registry|the registry)/);
      assert.ok(calls.some((call) => call.startsWith('mmdebstrap --variant=extract')));
    });
  }

  it('cannot be had without registry and mmdebstrap: the hint installs it', async (t) => {
    const { work } = await find(
      [
        [/inspect/, ABSENT],
        [/^docker pull/, { code: 1, stderr: 'no such host' }],
        [/^mmdebstrap/, { code: null, missing: true }],
      ],
      t,
    );
    await assert.rejects(work(), {
      code: 'BASE_IMAGE_UNAVAILABLE',
      hint: /scratchpad doctor --install/,
    });
  });

  it('named by the user is that one or an error, never another in its place', async (t) => {
    const { work, calls } = await find(
      [
        [/inspect/, ABSENT],
        [/^docker pull mine:1/, { code: 1, stderr: 'manifest unknown' }],
      ],
      t,
    );
    process.env['SCRATCHPAD_BASE_IMAGE'] = 'mine:1';
    await assert.rejects(work(), { code: 'BASE_IMAGE_UNAVAILABLE', message: /mine:1/ });
    assert.ok(calls.every((call) => !call.includes('mmdebstrap')));
  });

  it('holds no mirror’s address', (t) => {
    const args = debootstrapArguments(
      { ...recipe, sources: ['deb http://mirror.example x main'] },
      'f',
    );
    assert.equal(args.at(-1), '-');
    assert.equal(args.join(' ').includes('mirror.example'), false);
    const hook = args.find((each) => each.startsWith('--extract-hook='))!.slice(15);
    const chroot = stateSandbox(t);
    mkdirSync(join(chroot, 'var/lib/dpkg'), { recursive: true });
    mkdirSync(join(chroot, 'etc/apt/sources.list.d'), { recursive: true });
    writeFileSync(join(chroot, 'etc/apt/sources.list'), 'deb http://mirror.example x main');
    writeFileSync(
      join(chroot, 'etc/apt/sources.list.d/a.list'),
      'deb http://mirror.example x main',
    );
    execFileSync('sh', ['-c', hook, 'exec', chroot]);
    assert.deepEqual(readdirSync(join(chroot, 'etc/apt'), { recursive: true }), ['sources.list.d']);
  });
});
