/** Flags that several commands share, and the parsing of sizes and CPU counts. */
import { Args, Flags } from '@oclif/core';
import { ScratchpadError } from './errors.ts';

/** Bytes of `512m`, `1g`, `1.5GiB`, `1073741824`: binary units, as Docker and QEMU read them. */
export function parseBytes(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?$/i.exec(text.trim());
  if (!match) {
    throw new ScratchpadError('BAD_FLAG', `"${text}" is not a size`, {
      hint: 'Write e.g. 512m, 1g or 1073741824.',
    });
  }
  const exponent = ['', 'k', 'm', 'g', 't'].indexOf(match[2]!.toLowerCase());
  return Math.round(Number(match[1]) * 1024 ** exponent);
}

/** Seconds as a number, `120`, or with a unit: `500ms`, `30s`, `2m`. */
export function parseDurationMs(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(ms|s|m)?$/i.exec(text.trim());
  if (!match) {
    throw new ScratchpadError('BAD_FLAG', `"${text}" is not a duration`, {
      hint: 'Write seconds, or a number with ms, s or m: 120, 90s, 2m.',
    });
  }
  const unit = (match[2] ?? 's').toLowerCase();
  return Number(match[1]) * (unit === 'ms' ? 1 : unit === 'm' ? 60_000 : 1000);
}

export const durationFlag = Flags.custom<number>({
  parse: async (input) => parseDurationMs(input),
  helpValue: '<seconds>',
});

export const bytesFlag = Flags.custom<number>({
  parse: async (input) => parseBytes(input),
  helpValue: '<size>',
});

export const cpusFlag = Flags.custom<number>({
  parse: async (input) => {
    const cpus = Number(input);
    if (!(cpus > 0) || cpus > 1024) {
      throw new ScratchpadError('BAD_FLAG', `"${input}" is not a number of CPUs`, {
        hint: 'Write e.g. 1, 0.5 or 2.',
      });
    }
    return cpus;
  },
  helpValue: '<n>',
});

/** Free text, so that an unknown name gets our own error with a suggestion. */
export const targetArg = Args.string({
  description: 'where the workload runs: bare, docker, vm or the path of a target module',
});

/** An address in the target's place is one for `--url`. @throws ScratchpadError BAD_FLAG for both */
export function withAddress<F extends { url?: string | undefined }>(
  target: string | undefined,
  flags: F,
): { target: string | undefined; flags: F } {
  if (target === undefined || !/^https?:\/\//i.test(target)) return { target, flags };
  if (flags.url === undefined) return { target: undefined, flags: { ...flags, url: target } };
  throw new ScratchpadError('BAD_FLAG', 'Two addresses were given', {
    hint: 'Leave out --url, or the address before it.',
  });
}

/** @throws ScratchpadError BAD_FLAG where no target was named */
export function requireTarget(name: string | undefined): string {
  if (name !== undefined) return name;
  throw new ScratchpadError('BAD_FLAG', 'No target was named', {
    hint: 'Name one: bare, docker or vm. `scratchpad doctor` says what this host can run.',
  });
}

/** How a deployment is made: shared by deploy, probe, load and bench. */
export const deploymentFlags = {
  provider: Flags.string({
    description: 'for vm: vagrant or qemu; the best that the host has by default',
    helpValue: '<name>',
  }),
  cpus: cpusFlag({ description: 'CPU ceiling of the target (default 1)' }),
  memory: bytesFlag({ description: 'memory ceiling of the target (default 1g)' }),
  limits: Flags.option({
    options: ['equal', 'classic'] as const,
    description:
      'equal: the same ceilings for every target; classic: container 1 CPU and 256 MB, VM 2 CPUs and 1 GB',
    default: 'equal' as const,
  })(),
  runtime: Flags.option({
    options: ['node', 'deno', 'bun'] as const,
    description: 'JavaScript runtime of the workload',
    default: 'node' as const,
  })(),
  path: Flags.string({
    description: 'how packets reach the target, where it offers a choice (e.g. host-network)',
    helpValue: '<path>',
  }),
};
