/**
 * The engine, reached through the docker CLI: so DOCKER_HOST, contexts, TLS and ssh settings of the
 * user hold here too. Turns what the CLI says on failure into errors with a mending hint.
 */
import { existsSync } from 'node:fs';
import { z } from 'zod';
import { ScratchpadError } from '../../errors.ts';
import {
  type CommandResult,
  lastLines,
  type Run,
  type RunOptions,
  runCommand,
} from '../command.ts';

const INFO_TIMEOUT_MS = 15_000;

export interface EngineInfo {
  version: string;
  operatingSystem: string;
  cpus: number;
  cgroupVersion: string;
  storageDriver: string;
  rootless: boolean;
  /** E.g. unix:///var/run/docker.sock */
  endpoint: string;
  /** The engine's kernel is this host's: its processes can be seen and metered here. */
  sameKernel: boolean;
}

const infoSchema = z.looseObject({
  ServerVersion: z.string().optional(),
  OperatingSystem: z.string().optional(),
  NCPU: z.number().optional(),
  CgroupVersion: z.string().optional(),
  Driver: z.string().optional(),
  SecurityOptions: z.array(z.string()).nullish(),
  ServerErrors: z.array(z.string()).nullish(),
});

export class Engine {
  readonly #run: Run;

  constructor(run: Run = runCommand) {
    this.#run = run;
  }

  /**
   * A docker command, whatever it exits with. Only an engine that is not there is an error; what a
   * time-out means only the caller can say: a slow registry, or an engine that hangs.
   */
  async try(args: readonly string[], options?: RunOptions): Promise<CommandResult> {
    const result = await this.#run('docker', args, options);
    const error = engineError(result);
    if (error) throw error;
    return result;
  }

  /**
   * Its standard output, trimmed.
   * @throws ENGINE_ABSENT, ENGINE_STOPPED, ENGINE_PERMISSION, else ENGINE_FAILED with its words
   */
  async call(args: readonly string[], options?: RunOptions): Promise<string> {
    const result = await this.try(args, options);
    if (result.code === 0) return result.stdout.trim();
    if (result.timedOut) {
      throw new ScratchpadError('ENGINE_STOPPED', 'The Docker engine does not answer.', {
        cause: lastLines(result.stderr, 3) || `docker ${args[0]} timed out`,
        hint: 'Look at its log; `sudo systemctl restart docker` restarts it.',
      });
    }
    throw commandFailed(args, result);
  }

  async info(signal?: AbortSignal): Promise<EngineInfo> {
    const options = { signal, timeoutMs: INFO_TIMEOUT_MS };
    const [text, endpoint] = await Promise.all([
      this.call(['info', '--format', '{{json .}}'], options),
      this.call(['context', 'inspect', '--format', '{{.Endpoints.docker.Host}}'], options),
    ]);
    const info = infoSchema.parse(JSON.parse(text));
    // 20.10 exits 0 and puts the failure here
    const [failed] = info.ServerErrors ?? [];
    if (failed) throw engineError({ ...NO_RESULT, code: 1, stderr: failed }) ?? new Error(failed);
    const operatingSystem = info.OperatingSystem ?? 'unknown';
    return {
      version: info.ServerVersion ?? 'unknown',
      operatingSystem,
      cpus: info.NCPU ?? 0,
      cgroupVersion: info.CgroupVersion ?? '1',
      storageDriver: info.Driver ?? 'unknown',
      rootless: (info.SecurityOptions ?? []).some((option) => option.includes('rootless')),
      endpoint,
      sameKernel:
        process.platform === 'linux' &&
        endpoint.startsWith('unix://') &&
        !operatingSystem.includes('Docker Desktop'),
    };
  }
}

const NO_RESULT: CommandResult = {
  code: null,
  signal: null,
  stdout: '',
  stderr: '',
  durationMs: 0,
  timedOut: false,
  missing: false,
};

/** Is 127.0.0.1 of the engine ours? Load is sent nowhere else. */
export function isLocalEndpoint(endpoint: string): boolean {
  if (/^(unix|npipe):/.test(endpoint)) return true;
  return /^(tcp|https?):\/\/(127\.\d+\.\d+\.\d+|localhost|\[::1\])(:|\/|$)/.test(endpoint);
}

/** What is wrong with the engine as such; null where the command itself failed, or nothing did. */
export function engineError(result: CommandResult): ScratchpadError | null {
  if (result.missing) return absent('there is no docker command');
  if (result.code === 0) return null;
  const said = lastLines(result.stderr, 3);
  if (/permission denied.*(docker daemon|docker API|docker\.sock)/is.test(said)) {
    return new ScratchpadError('ENGINE_PERMISSION', 'No permission to use the Docker engine.', {
      cause: said,
      hint: 'Join its group with `sudo usermod -aG docker $USER` and log in again, or use sudo.',
    });
  }
  const unreachable =
    /cannot connect to the docker daemon|error during connect|failed to connect to the docker API|is the docker daemon running/i;
  if (!unreachable.test(said)) return null;
  if (isDefaultEndpoint() && !hasDaemon()) {
    return absent('the docker command is here, but no engine is installed', said);
  }
  return new ScratchpadError('ENGINE_STOPPED', 'The Docker engine cannot be reached.', {
    cause: said,
    hint: isDefaultEndpoint()
      ? 'Start it: `scratchpad doctor --install`, or `sudo systemctl start docker`.'
      : `DOCKER_HOST or the docker context points there: start that engine, or unset it.`,
  });
}

function absent(why: string, cause?: string): ScratchpadError {
  return new ScratchpadError('ENGINE_ABSENT', `No Docker engine: ${why}.`, {
    cause,
    hint: 'Run `scratchpad doctor --install` (Debian, Ubuntu), or install Docker.',
  });
}

function isDefaultEndpoint(): boolean {
  return !process.env['DOCKER_HOST'] && !process.env['DOCKER_CONTEXT'];
}

function hasDaemon(): boolean {
  return (
    process.platform !== 'linux' ||
    ['/usr/bin/dockerd', '/usr/sbin/dockerd', '/usr/local/bin/dockerd', '/snap/bin/docker'].some(
      (path) => existsSync(path),
    )
  );
}

export function commandFailed(args: readonly string[], result: CommandResult): ScratchpadError {
  const said = lastLines(result.stderr || result.stdout, 5);
  return new ScratchpadError('ENGINE_FAILED', `docker ${args[0]} failed: ${said}`, {
    hint: 'Look at the engine’s own log; `scratchpad doctor` checks the engine.',
    details: { command: ['docker', ...args], exitCode: result.code },
  });
}
