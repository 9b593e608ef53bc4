/** What the docker target needs: the engine, and a base image or the means to get one. */
import { isScratchpadError } from '../../errors.ts';
import { PUBLIC_BASE, packageRecipe } from '../../targets/docker/base.ts';
import { Engine } from '../../targets/docker/engine.ts';
import { imageId } from '../../targets/docker/image.ts';
import type { Check, HostAccess } from './check.ts';

/** Without a token it says 401, which is an answer. */
const REGISTRY_URL = 'https://registry-1.docker.io/v2/';
const INSTALL = 'scratchpad doctor --install --only docker';

export async function dockerChecks(host: HostAccess): Promise<Check[]> {
  const cli = checkCli(host);
  if (cli.status === 'missing') return [cli];
  const engine = new Engine(host.run);
  const running = await checkEngine(engine);
  if (running.status === 'missing') return [cli, running];
  return [cli, running, ...(await checkBase(host, engine))];
}

function checkCli(host: HostAccess): Check {
  const path = host.which('docker');
  const base = { name: 'docker command', for: 'docker' } as const;
  return path === null
    ? { ...base, status: 'missing', found: 'not installed', mend: INSTALL }
    : { ...base, status: 'ok', found: path, mend: null };
}

async function checkEngine(engine: Engine): Promise<Check> {
  const base = { name: 'docker engine', for: 'docker' } as const;
  try {
    const { version, operatingSystem, cgroupVersion, storageDriver } = await engine.info();
    const found = `${version} on ${operatingSystem}, cgroup v${cgroupVersion}, ${storageDriver}`;
    return { ...base, status: 'ok', found, mend: null };
  } catch (error) {
    if (!isScratchpadError(error)) throw error;
    const mend = error.code === 'ENGINE_ABSENT' ? INSTALL : (error.hint ?? INSTALL);
    return { ...base, status: 'missing', found: error.message, mend };
  }
}

/** An image that is here makes the registry and mmdebstrap unneeded. */
async function checkBase(host: HostAccess, engine: Engine): Promise<Check[]> {
  const base = { for: 'docker' } as const;
  for (const reference of [PUBLIC_BASE, packageRecipe().reference]) {
    if ((await imageId(engine, reference)) !== null) {
      return [{ ...base, name: 'base image', status: 'ok', found: reference, mend: null }];
    }
  }
  const registry = await host.answers(REGISTRY_URL);
  const tool = host.which('mmdebstrap');
  const either = registry || tool !== null;
  return [
    {
      ...base,
      name: 'image registry',
      status: registry ? 'ok' : tool !== null ? 'not needed' : 'missing',
      found: registry ? 'answers' : 'cannot be reached',
      mend: null,
    },
    {
      ...base,
      name: 'mmdebstrap',
      status: tool !== null ? 'ok' : either ? 'not needed' : 'missing',
      found: tool ?? 'not installed: without a registry the base image is built with it',
      mend: either ? null : INSTALL,
    },
  ];
}
