/** A benchmark module: found, imported, checked; as a scenario in the main thread, to run in workers. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { basename, extname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ScratchpadError } from '../../errors.ts';
import type { Scenario } from '../types.ts';
import type { Benchmark } from './benchmark.ts';

const NAME = /^[\w.-]{1,64}$/;
const HINT =
  'It must export run(), and may export name, operations, setup() and teardown(): ' +
  'fixtures/benchmarks/database.mjs is an example.';

/** Is that scenario a program and not a JSON file? */
export function isModuleFile(nameOrFile: string): boolean {
  return /\.(mjs|js|ts|mts)$/.test(nameOrFile);
}

/** Imports `file`. @throws BAD_MODULE where it cannot be read, does not load or is no benchmark */
export async function importBenchmark(file: string): Promise<Benchmark> {
  let module: Record<string, unknown>;
  try {
    module = await import(pathToFileURL(file).href);
  } catch (cause) {
    throw bad(file, 'it does not load', cause);
  }
  const { default: whole } = module;
  const benchmark = (isObject(whole) && 'run' in whole ? whole : module) as unknown as Benchmark;
  const problem = problemOf(benchmark);
  if (problem !== null) throw bad(file, problem);
  return benchmark;
}

/**
 * The module as a scenario. Its hash is that of the file: what it imports is not part of it.
 * @throws BAD_MODULE
 */
export async function loadModuleScenario(path: string): Promise<Scenario> {
  const file = resolve(path);
  let text: Buffer;
  try {
    text = readFileSync(file);
  } catch (cause) {
    throw bad(file, 'it cannot be read', cause);
  }
  const { name, operations } = await importBenchmark(file);
  return {
    schemaVersion: 1,
    name:
      name ??
      basename(file, extname(file))
        .replace(/[^\w.-]/g, '_')
        .slice(0, 64),
    operations: Object.entries(operations ?? { run: {} }).map(([operation, { weight }]) => ({
      name: operation,
      weight: weight ?? 1,
      method: 'RUN',
      path: '/',
    })),
    module: { file, sha256: createHash('sha256').update(text).digest('hex') },
  };
}

function problemOf({ name, operations, run, setup, teardown }: Benchmark): string | null {
  if (typeof run !== 'function') return 'it exports no function run()';
  for (const [what, value] of Object.entries({ setup, teardown })) {
    if (value !== undefined && typeof value !== 'function') return `its ${what} is no function`;
  }
  if (name !== undefined && !(typeof name === 'string' && NAME.test(name))) {
    return 'its name is not made of letters, digits, "_", "." and "-"';
  }
  if (operations === undefined) return null;
  if (!isObject(operations)) return 'its operations are no object';
  const entries = Object.entries(operations);
  if (entries.length < 1 || entries.length > 64) return 'it has not 1 to 64 operations';
  for (const [operation, value] of entries) {
    if (!NAME.test(operation)) return `its operation "${operation}" is no name`;
    const weight = isObject(value) ? (value['weight'] ?? 1) : Number.NaN;
    if (!(typeof weight === 'number' && weight > 0 && Number.isFinite(weight))) {
      return `the weight of its operation "${operation}" is not above 0`;
    }
  }
  return null;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function bad(file: string, problem: string, cause?: unknown): ScratchpadError {
  return new ScratchpadError('BAD_MODULE', `${file} is no benchmark module: ${problem}`, {
    cause,
    hint: HINT,
  });
}
