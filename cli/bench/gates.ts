/** Validity gates, declared before the bench. Pure. */
import { isUnavailable, measuredValue, unavailable } from '../record/measured.ts';
import type { Resources, TrialRecord } from '../record/schema.ts';
import type { Gates } from './plan.ts';

/** Why this trial does not count; empty where it does. */
export function gateBreaches(trial: TrialRecord, gates: Gates): string[] {
  const breaches: string[] = [];
  const parts = [['latency', trial.latency] as const];
  if (!isUnavailable(trial.saturation)) {
    parts.push(['saturation', trial.saturation as TrialRecord['latency']] as never);
  }
  for (const [name, load] of parts) {
    if (load.generator.clientLimited) {
      breaches.push(`${name}: client-limited (${load.generator.reasons.join('; ')})`);
    }
    const finished = load.counts.answered + load.counts.failed;
    const share = finished === 0 ? 1 : load.counts.failed / finished;
    if (share > gates.maxErrorShare) {
      breaches.push(`${name}: ${percent(share)} of the requests failed`);
    }
    const lost = (load['integrity'] as { lost?: number } | null | undefined)?.lost ?? 0;
    if (lost > 0) breaches.push(`${name}: ${lost} acknowledged writes were lost`);
  }
  if (!isUnavailable(trial.resources)) {
    const { window } = trial.resources as Resources;
    const steal = measuredValue(window['stealShare'] ?? unavailable('not read'));
    if (steal !== undefined && steal > gates.maxStealShare) {
      breaches.push(`the hypervisor took ${percent(steal)} of the host's CPU (steal)`);
    }
  }
  return breaches;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(share < 0.01 ? 2 : 1)} %`;
}
