/**
 * Target `docker`: the workload in a container of the local engine, locked down (container.ts), from
 * an image that is built of the one artifact (image.ts) on a base with nothing else (base.ts).
 */
import { join } from 'node:path';
import { isScratchpadError, ScratchpadError } from '../../errors.ts';
import { checkedArtifact } from '../artifact-check.ts';
import { type Run, runCommand, throwIfAborted } from '../command.ts';
import { DEPLOYMENT_MARKER, OWNER_MARKER } from '../process-identity.ts';
import { runtimeBinary } from '../runtime.ts';
import { deploymentFolder, newState, ownerTag, readStates } from '../state.ts';
import type {
  Availability,
  Deployment,
  DeploymentPlan,
  DeployOptions,
  Prepared,
  Progress,
  Target,
} from '../target.ts';
import { baseImage } from './base.ts';
import { DockerDeployment } from './deployment.ts';
import { Engine, isLocalEndpoint } from './engine.ts';
import { buildImage } from './image.ts';
import { LABEL_DEPLOYMENT, LABEL_OWNER } from './labels.ts';
import { offeredPaths, plannedPath } from './path.ts';

/** `run`: the process boundary, a fake in tests. */
export function createDockerTarget(run: Run = runCommand): Target {
  const engine = new Engine(run);
  return {
    name: 'docker',
    summary: 'the workload in a container of the local Docker engine',
    providers: [],
    availability: () => availability(engine),
    async paths() {
      const { sameKernel, rootless } = await engine.info();
      return offeredPaths(sameKernel && !rootless);
    },
    plan: async (options) => plan(options),
    prepare: (deploymentPlan, progress, signal) =>
      prepare(engine, run, deploymentPlan, progress, signal),
    async start(deploymentPlan, prepared, progress, signal): Promise<Deployment> {
      throwIfAborted(signal);
      progress.step('starting the container');
      const deployment = new DockerDeployment(newState(deploymentPlan, prepared), engine);
      await deployment.launch();
      return deployment;
    },
    attach: async (state) => new DockerDeployment(state, engine),
    sweep: () => sweep(engine),
  };
}

export const docker: Target = createDockerTarget();

async function availability(engine: Engine): Promise<Availability> {
  const no = (code: ScratchpadError['code'], reason: string, hint: string): Availability => ({
    available: false,
    provider: null,
    code,
    reason,
    hint,
  });
  try {
    const info = await engine.info();
    if (!isLocalEndpoint(info.endpoint)) {
      return no(
        'ENGINE_REMOTE',
        `the engine at ${info.endpoint} is on another machine`,
        'Unset DOCKER_HOST, or `docker context use default`: load is sent to this machine only.',
      );
    }
    const notes = [`engine ${info.version} on ${info.operatingSystem}`];
    if (!info.sameKernel) {
      notes.push('the engine runs in a VM of its own: its figures come from its stats API');
    }
    if (info.rootless) notes.push('rootless engine: its port forwarder is in the path');
    return { available: true, provider: null, notes };
  } catch (error) {
    if (!isScratchpadError(error)) throw error;
    return no(error.code, error.message, error.hint ?? 'Run `scratchpad doctor`.');
  }
}

function plan(options: DeployOptions): DeploymentPlan {
  if (options.provider !== null) {
    throw new ScratchpadError('UNKNOWN_PROVIDER', 'docker has no providers.', {
      hint: 'Leave `--provider` out.',
    });
  }
  return {
    target: 'docker',
    provider: null,
    providerReason: null,
    options,
    path: plannedPath(options.path),
    acceleration: null,
    warnings: [],
  };
}

async function prepare(
  engine: Engine,
  run: Run,
  { options }: DeploymentPlan,
  progress: Progress,
  signal: AbortSignal,
): Promise<Prepared> {
  const startedAt = performance.now();
  const steps: Prepared['steps'] = [];
  const timed = async <T extends { cached: boolean }>(name: string, work: Promise<T>) => {
    const from = performance.now();
    const result = await work;
    steps.push({ name, durationMs: performance.now() - from, cached: result.cached });
    return result;
  };
  progress.step('checking the artifact and the engine');
  const [artifact, runtime, info] = await Promise.all([
    checkedArtifact(options.artifactFolder),
    runtimeBinary(options.runtime),
    engine.info(signal),
  ]);
  assertFits(options, info.cpus);
  // marks docker and mmdebstrap, so that what outlives a SIGKILL of this process is found
  const env = { [DEPLOYMENT_MARKER]: options.id, [OWNER_MARKER]: ownerTag() };
  const calls = { signal, env };
  const workFolder = join(deploymentFolder(options.id), 'base');
  const request = { engine, run, progress, options: calls, workFolder };
  const base = await timed('base image', baseImage(request));
  const image = await timed(
    'image',
    buildImage(engine, { base, artifact, runtime }, progress, calls),
  );
  return {
    durationMs: performance.now() - startedAt,
    cached: base.cached && image.cached,
    artifactSha256: artifact.sha256,
    runtimeSha256: runtime.sha256,
    steps,
    handles: {
      image: image.reference,
      imageId: image.id,
      base: { kind: base.kind, reference: base.reference, id: base.id },
      engine: info,
      runtimeVersion: runtime.version,
    },
    warnings: warningsOf(base.kind, runtime.warnings),
  };
}

function warningsOf(base: string, ofRuntime: string[]): string[] {
  const warnings = ofRuntime.map((warning) => `docker: ${warning}`);
  if (base === 'distribution') {
    warnings.push(
      'docker: the base image is made of this distribution’s packages, not the public one, ' +
        'so the image’s size is not comparable with other hosts',
    );
  }
  return warnings;
}

/** The engine would refuse it after the image has been built; better before. */
function assertFits({ limits, cpuSet }: DeployOptions, cpus: number): void {
  if (cpus === 0) return;
  if (limits.cpus > cpus) {
    throw new ScratchpadError('BAD_FLAG', `The engine has ${cpus} CPUs, not ${limits.cpus}.`, {
      hint: `Use \`--cpus ${cpus}\` or less.`,
    });
  }
  const beyond = (cpuSet ?? []).find((cpu) => cpu >= cpus);
  if (beyond !== undefined) {
    throw new ScratchpadError('BAD_FLAG', `The engine has no CPU ${beyond} to pin to.`, {
      hint: `Its CPUs are 0 to ${cpus - 1}.`,
    });
  }
}

/** Containers and volumes with our owner label and no state file. Images stay: they are a cache. */
async function sweep(engine: Engine): Promise<{ removed: string[] }> {
  const known = new Set(readStates().states.map(({ id }) => id));
  const ours = ['--filter', `label=${LABEL_OWNER}=${ownerTag()}`];
  const removed: string[] = [];
  const kinds = [
    { kind: 'container', list: ['container', 'ls', '--all'], name: '{{.Names}}' },
    { kind: 'volume', list: ['volume', 'ls'], name: '{{.Name}}' },
  ];
  try {
    for (const { kind, list, name } of kinds) {
      const format = `${name} {{.Label "${LABEL_DEPLOYMENT}"}}`;
      const lines = await engine.call([...list, ...ours, '--format', format]);
      for (const line of lines.split('\n').filter(Boolean)) {
        const [found, id] = line.split(' ') as [string, string | undefined];
        if (known.has(id ?? '')) continue;
        await engine.call([kind, 'rm', '--force', found]);
        removed.push(`${kind} ${found}`);
      }
    }
  } catch (error) {
    // where there is no engine there is nothing of ours in it
    if (!isScratchpadError(error) || error.code !== 'ENGINE_ABSENT') throw error;
  }
  return { removed };
}
