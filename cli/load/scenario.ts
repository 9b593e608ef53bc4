/**
 * Scenarios: weighted operations with templated paths, headers and bodies, captures and checks.
 * The file format is documented in docs/SCENARIOS.md and by fixtures/scenarios/scenario.schema.json,
 * which is made from the schema here. Built in: `index` (GET /) and `mixed` (the scratch pad's reads and writes).
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { ScratchpadError } from '../errors.ts';
import { fixturesFolder } from '../host/paths.ts';
import { creatorsOf } from './creators.ts';
import { isModuleFile, loadModuleScenario } from './modules/load-module.ts';
import { HEADER_PATTERN, itemUseOf } from './request.ts';
import type { Scenario } from './types.ts';

const token = z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, 'not an HTTP token');
const variable = z.string().regex(/^[a-zA-Z_][\w-]*$/, 'not a variable name');
const line = z.string().regex(/^[^\r\n]*$/, 'must be one line');

const operationSchema = z.strictObject({
  name: z.string().regex(/^[\w.-]{1,64}$/, 'letters, digits, "_", "." and "-" only'),
  weight: z.number().positive().default(1).describe('Relative share of the requests.'),
  method: token.default('GET'),
  path: line
    .regex(/^\/[^\s#]*$/, 'must begin with "/" and hold no space and no "#"')
    .describe('Path and query; may hold {{variables}}.'),
  headers: z.record(token, line).optional(),
  body: z.string().optional().describe('Sent with a Content-Length; may hold {{variables}}.'),
  capture: z
    .record(
      variable,
      z.strictObject({
        from: z.enum(['location', 'json', 'header', 'body']),
        pattern: z
          .string()
          .optional()
          .describe(
            'location, body: a regular expression (first group, or all of the match). ' +
              'json: a dotted path. header: its name, then optionally a regular expression.',
          ),
      }),
    )
    .optional()
    .describe('Variables of the virtual user, taken from the response.'),
  expect: z
    .strictObject({
      status: z.array(z.number().int().min(100).max(599)).min(1).optional(),
      bodyIncludes: z.string().optional(),
    })
    .optional()
    .describe('A response that is not so is a failure.'),
  set: z
    .record(variable, z.string())
    .optional()
    .describe('Variables rendered before the request and kept when it succeeds.'),
  effect: z
    .enum(['create', 'update', 'delete', 'gone'])
    .optional()
    .describe('What success means for the item. Default: from the captures and the method.'),
});

export const scenarioSchema = z
  .strictObject({
    $schema: z.string().optional(),
    schemaVersion: z.literal(1),
    name: z.string().regex(/^[\w.-]{1,64}$/),
    operations: z.array(operationSchema).min(1).max(64),
    verify: z
      .strictObject({
        live: z.string().describe('Operation that reads an acknowledged item.'),
        gone: z.string().optional().describe('Operation that finds a deleted item gone.'),
      })
      .optional()
      .describe('What is checked for every item after the run.'),
  })
  .describe('A scenario of `scratchpad load` and `bench`: see docs/SCENARIOS.md.');

/** The index page: what `load` sends where no scenario is named. */
export const INDEX_SCENARIO: Scenario = {
  schemaVersion: 1,
  name: 'index',
  operations: [{ name: 'index', weight: 1, method: 'GET', path: '/' }],
};

const BUILT_IN_FILES = ['mixed'];

/**
 * A built-in scenario by name, else the file or the benchmark module (modules/benchmark.ts) at that
 * path. Throws BAD_SCENARIO, BAD_MODULE.
 */
export async function loadScenario(nameOrFile: string): Promise<Scenario> {
  if (isModuleFile(nameOrFile)) return loadModuleScenario(nameOrFile);
  if (nameOrFile === INDEX_SCENARIO.name) return INDEX_SCENARIO;
  const file = BUILT_IN_FILES.includes(nameOrFile)
    ? join(fixturesFolder, 'scenarios', `${nameOrFile}.json`)
    : nameOrFile;
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new ScratchpadError('BAD_SCENARIO', `Cannot read the scenario ${file}`, {
      cause,
      hint: `Name a file, or one of the built-in scenarios: index, ${BUILT_IN_FILES.join(', ')}.`,
    });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new ScratchpadError('BAD_SCENARIO', `The scenario ${file} is not JSON`, { cause });
  }
  return parseScenario(value, file);
}

/** Check a scenario and fill in its defaults. Throws BAD_SCENARIO that says where and what. */
export function parseScenario(value: unknown, source = 'the scenario'): Scenario {
  const parsed = scenarioSchema.safeParse(value);
  if (!parsed.success) {
    const issues = parsed.error.issues.map(
      ({ path, message }) => `${path.length > 0 ? path.join('.') : 'top level'}: ${message}`,
    );
    throw bad(source, issues.slice(0, 5).join('; '));
  }
  const { $schema: _, ...scenario } = parsed.data;
  checkReferences(scenario as Scenario, source);
  return scenario as Scenario;
}

function bad(source: string, problem: string): ScratchpadError {
  return new ScratchpadError('BAD_SCENARIO', `${source}: ${problem}`, {
    hint: 'The format is described in docs/SCENARIOS.md and fixtures/scenarios/scenario.schema.json.',
  });
}

/** What the schema cannot say: names that are unique, variables that can be had. */
function checkReferences({ operations, verify }: Scenario, source: string): void {
  const names = operations.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw bad(source, `two operations are named "${twice}"`);
  for (const name of [verify?.live, verify?.gone]) {
    if (name !== undefined && !names.includes(name)) {
      throw bad(source, `verify names "${name}", which is no operation`);
    }
  }
  const uses = operations.map(itemUseOf);
  const creators = creatorsOf(uses);
  const created = new Set(
    uses.flatMap(({ effect, provides }) => (effect === 'create' ? provides : [])),
  );
  for (const [at, operation] of operations.entries()) {
    if (creators[at] === null) {
      const { needs } = uses[at]!;
      const missing = needs.find((name) => !created.has(name));
      throw bad(
        source,
        missing === undefined
          ? `"${operation.name}" uses ${needs.map((name) => `{{${name}}}`).join(' and ')}, ` +
              'which no creating operation captures or sets together'
          : `"${operation.name}" uses {{${missing}}}, which no creating operation captures or sets`,
      );
    }
    for (const { from, pattern } of Object.values(operation.capture ?? {})) {
      if (pattern === undefined || from === 'json') continue;
      try {
        new RegExp(from === 'header' ? (HEADER_PATTERN.exec(pattern)?.[2] ?? '') : pattern);
      } catch (cause) {
        throw new ScratchpadError('BAD_SCENARIO', `${source}: bad pattern /${pattern}/`, { cause });
      }
    }
  }
}

/** Is every byte that the scenario posts one that it `set`s, so that it can be counted? */
export function countsPosts({ operations, module }: Scenario): boolean {
  return (
    module === undefined &&
    operations.every(
      ({ body, set, effect }) =>
        !body ||
        (set !== undefined && (effect === undefined || effect === 'create' || effect === 'update')),
    )
  );
}
