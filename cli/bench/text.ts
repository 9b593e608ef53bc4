/** What `bench` prints before and between its trials. Pure but for the clock of the progress line. */
import type { BenchRecord, TrialRecord } from '../record/schema.ts';
import type { EarlierEffects } from '../report/earlier-effects.ts';
import { ROUNDS_FOR_INFERENCE } from '../stats/paired.ts';
import type { BenchProgress } from './bench.ts';
import { type Ceilings, unequalWords } from './ceilings.ts';
import { type BenchPlan, controlWords, estimateMs } from './plan.ts';

/** `--plan`: order, time, gates, and what such a bench would see. */
export function formatPlan(
  plan: BenchPlan,
  ceilings: Ceilings,
  unavailable: BenchRecord['unavailableTargets'],
  effects: EarlierEffects | null,
): string {
  const lines = [
    `${plan.rounds} rounds of ${plan.labels.join(', ')}; seed ${plan.seed}; about ${minutes(estimateMs(plan))}`,
    `per trial: ${plan.settleMs === null ? '' : `rest ${plan.settleMs / 1000} s, `}warm-up ${plan.warmupMs / 1000} s${plan.warmupRequests > 0 ? ` and at least ${plan.warmupRequests} requests (60 s at most)` : ''}, open loop ${plan.durationMs / 1000} s, warm-up ${plan.warmupMs / 1000} s, saturation ${plan.saturationMs / 1000} s`,
    `rate: ${plan.ratePerSecond === null ? 'a third of the slowest target’s capacity, found by calibration' : `${plan.ratePerSecond} requests/s`}`,
    `gates: client-limited, errors > ${plan.gates.maxErrorShare * 100} %, steal > ${plan.gates.maxStealShare * 100} %; ${plan.gates.enforced ? `a failed gate voids and repeats the round, ${plan.gates.maxVoidedRounds} times at most` : 'breaches are warnings'}`,
    ...limitsOfBench(plan, ceilings),
    ...plan.schedule.map((order, i) => `round ${String(i + 1).padStart(2)}: ${order.join(', ')}`),
    ...unavailable.map(({ target, reason }) => `cannot be measured here: ${target}: ${reason}`),
  ];
  if (plan.quick || plan.rounds < ROUNDS_FOR_INFERENCE) return lines.join('\n');
  for (const { name, a, b, detectableRatio } of effects?.planned ?? []) {
    lines.push(
      `would see a difference of ${((detectableRatio - 1) * 100).toFixed(1)} % in ${name}, ${a} ÷ ${b}`,
    );
  }
  lines.push(
    effects === null
      ? 'what it can see is not known: no earlier bench with two rounds in the results folder'
      : `(in 80 % of such benches, by the scatter between the rounds of bench ${effects.bench})`,
  );
  return lines.join('\n');
}

/** What a reader must know of the bench that is declared, before it begins. */
export function limitsOfBench(
  { quick, gates, rounds, labels, artifacts }: BenchPlan,
  ceilings: Ceilings,
): string[] {
  const unequal = unequalWords(ceilings);
  const control = controlWords(labels);
  return [
    ...(unequal === null
      ? []
      : [`unequal limits, as declared: ${unequal}. The ratios will be of these set-ups`]),
    control === null
      ? `no A/A control: the noise floor comes from a bench of one artifact (compare --control)`
      : `A/A control: ${control}`,
    ...(quick ? ['quick: no inference'] : []),
    ...(gates.enforced ? [] : ['a breached gate is only a warning']),
    ...(!quick && rounds < ROUNDS_FOR_INFERENCE
      ? [`no inference: fewer than ${ROUNDS_FOR_INFERENCE} rounds`]
      : []),
    ...(artifacts === undefined ? [] : [`artifacts: ${Object.keys(artifacts).join(', ')}`]),
  ];
}

/** What a finished trial gave, in one line. */
export function trialLine(trial: TrialRecord, rounds: number, left: number): string {
  const { round, label, startUp, latency, voided } = trial;
  const p99Ms = latency.latencyUs.response.p99 / 1000;
  const said = [
    `start-up ${startUp.firstHitMs.toFixed(0)} ms`,
    `p99 ${p99Ms.toFixed(1)} ms`,
    saturationOf(trial),
    ...(voided ? [`void: ${voided}`] : []),
  ].join(', ');
  return `  round ${round}/${rounds} ${label.padEnd(8)} ${said}${left > 0 ? `; ${left} trials left` : ''}`;
}

function saturationOf(trial: TrialRecord): string {
  const { saturation } = trial;
  return 'unavailable' in saturation
    ? 'saturation unavailable'
    : `${(saturation as { requestsPerSecond: number }).requestsPerSecond.toFixed(0)} requests/s`;
}

/** The round that is under way, with the time left. */
export function progressLine(state: BenchProgress, startedMs: number, doneBefore: number): string {
  const { round, rounds, label, trialsDone, trialsPlanned, tick } = state;
  const done = trialsDone - doneBefore;
  const left =
    done === 0
      ? ''
      : `, ${minutes(((performance.now() - startedMs) / done) * (trialsPlanned - trialsDone))} left`;
  const load = tick
    ? `  ${tick.phase} ${(tick.elapsedMs / 1000).toFixed(0)} s, ${tick.answered}/s, p99 ${tick.p99Us === null ? '–' : `${(tick.p99Us / 1000).toFixed(1)} ms`}`
    : '';
  return `round ${round}/${rounds} ${label}${left}${load}`;
}

export function minutes(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 90) return `${seconds} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}
