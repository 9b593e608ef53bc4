/** The scatter of an earlier bench on this host, as what a planned one would see. */

import { isBenchFile, readBench } from '../bench/folder.ts';
import { isScratchpadError } from '../errors.ts';
import { resultsFolder } from '../host/paths.ts';
import { listRecordFiles } from '../record/store.ts';
import { buildComparison } from './model.ts';
import { plannedEffects } from './planned-effects.ts';

export interface EarlierEffects {
  /** Its id. */
  bench: string;
  planned: ReturnType<typeof plannedEffects>;
}

/** What so many rounds would see, by the scatter of the newest bench here; null where none tells. */
export function effectsOfEarlierBench(rounds: number): EarlierEffects | null {
  for (const file of listRecordFiles(resultsFolder()).filter(isBenchFile)) {
    try {
      const { bench, trials } = readBench(file);
      if (bench.quick) continue; // its short loads scatter otherwise than those of a whole bench
      const planned = plannedEffects(buildComparison([bench, ...trials], {}), rounds);
      if (planned.length > 0) return { bench: bench.id, planned };
    } catch (error) {
      if (!isScratchpadError(error)) throw error; // that bench is broken or not comparable in itself
    }
  }
  return null;
}
