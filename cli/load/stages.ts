/** `--stages`: ramps and steps of an open loop, e.g. `30s:0..500,60s:500,10s:500..0`. Pure. */
import { ScratchpadError } from '../errors.ts';
import type { Stage } from './types.ts';

const STAGE = /^(\d+(?:\.\d+)?)(ms|s|m):(\d+(?:\.\d+)?)(?:\.\.(\d+(?:\.\d+)?))?$/;
const UNIT_MS: Record<string, number> = { ms: 1, s: 1000, m: 60_000 };

/**
 * Durations with their unit, rates in requests/s; `a..b` is a ramp in a line, `a` alone a step.
 * @throws ScratchpadError BAD_FLAG
 */
export function parseStages(text: string): Stage[] {
  const stages = text.split(',').map((part): Stage => {
    const match = STAGE.exec(part.trim());
    const durationMs = Number(match?.[1]) * (UNIT_MS[match?.[2] ?? ''] ?? Number.NaN);
    if (!match || !(durationMs > 0)) throw malformed(part);
    const fromRate = Number(match[3]);
    return { durationMs, fromRate, toRate: match[4] === undefined ? fromRate : Number(match[4]) };
  });
  if (stages.every(({ fromRate, toRate }) => fromRate === 0 && toRate === 0)) throw malformed(text);
  return stages;
}

function malformed(part: string): ScratchpadError {
  return new ScratchpadError('BAD_FLAG', `"${part.trim()}" is not a stage`, {
    hint: 'Write --stages 30s:0..500,60s:500 (a ramp to 500 requests/s, then 60 s at 500).',
  });
}
