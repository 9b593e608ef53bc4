/**
 * A load on Deno for deno-load.ts: `deno run deno-main.ts OPTIONS [aborted]`. Says each tick and the end as
 * a line of JSON; anything on stdin aborts it.
 */
import { isScratchpadError } from '../../cli/errors.ts';
import { runLoad } from '../../cli/load/run.ts';

const controller = new AbortController();
if (process.argv[3] === 'aborted') controller.abort();
process.stdin.on('data', () => controller.abort());

const say = (message: object) =>
  new Promise<void>((resolve) => {
    process.stdout.write(`${JSON.stringify(message)}\n`, () => resolve());
  });

try {
  const measurement = await runLoad(JSON.parse(process.argv[2]!), {
    signal: controller.signal,
    onTick: (tick) => void say({ tick }),
  });
  await say({ measurement });
} catch (error) {
  const code = isScratchpadError(error) ? error.code : 'BUG';
  await say({ error: { code, message: error instanceof Error ? error.message : String(error) } });
}
process.exit();
