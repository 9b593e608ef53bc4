/**
 * When does the first valid reply come? A reply is valid if it is a 200 of `/readyz` that carries
 * this deployment's nonce: proxies, tunnels and QEMU's user network accept TCP long before the app
 * is there, and another program may hold the port.
 *
 * A poll leaves every 5 ms. Where a poll hangs (accepted, not answered) others go on beside it, up
 * to a bound, so that one hanging socket does not coarsen the clock. The answer is an interval:
 * the app was not ready when the last failed poll left, and was when the first valid reply was in.
 */
import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ErrorCode, ScratchpadError } from '../errors.ts';

export const POLL_INTERVAL_MS = 5;
export const POLL_TIMEOUT_MS = 250;
const MAX_OPEN_POLLS = 8;

export interface ReadinessOptions {
  url: string;
  /** null: any 200 is valid (a foreign server, `probe --url`). */
  nonce: string | null;
  path?: string;
  /** Monotonic ns of the instant before the start call. */
  t0Ns: bigint;
  /** Give up after this long since t0. */
  deadlineMs: number;
  signal: AbortSignal;
  /**
   * For a target that needs longer than the usual 250 ms for a reply (an emulated machine): with
   * short time-outs and eight polls side by side it would answer none of them in time.
   */
  pollTimeoutMs?: number;
  maxOpenPolls?: number;
  /** Asked a few times a second, so that a target that died is not waited for. */
  liveness?: () => Promise<{ alive: boolean; detail: string; code?: ErrorCode }>;
}

export interface Readiness {
  /** Ms since t0; null where the very first poll hit. */
  lastMissMs: number | null;
  firstHitMs: number;
  polls: number;
}

type PollResult = { valid: true } | { valid: false; reason: string };

/**
 * @throws ScratchpadError TARGET_NOT_READY after the deadline, TARGET_DIED if liveness says so, or
 *   the signal's reason
 */
export async function waitForFirstValidReply(options: ReadinessOptions): Promise<Readiness> {
  const { t0Ns, deadlineMs, signal, liveness } = options;
  const { pollTimeoutMs = POLL_TIMEOUT_MS, maxOpenPolls = MAX_OPEN_POLLS } = options;
  const sinceT0 = () => Number(process.hrtime.bigint() - t0Ns) / 1e6;
  const url = new URL(options.path ?? '/readyz', options.url);
  let lastMissMs: number | null = null;
  let firstHit: { sentMs: number; hitMs: number } | null = null;
  let lastReason = 'no poll was answered';
  let polls = 0;
  let open = 0;
  let died: { detail: string; code?: ErrorCode } | null = null;
  let nextLiveness = 200;

  while (firstHit === null) {
    if (signal.aborted) throw signal.reason;
    const now = sinceT0();
    if (died !== null) {
      const { code, detail } = died as { detail: string; code?: ErrorCode };
      throw new ScratchpadError(
        code ?? 'TARGET_DIED',
        `The target ended before its first valid reply`,
        {
          cause: detail,
          hint: 'Its last output is above or in `details`; `scratchpad doctor` checks the host.',
        },
      );
    }
    if (now > deadlineMs) {
      throw new ScratchpadError(
        'TARGET_NOT_READY',
        `No valid reply from ${url.href} within ${Math.round(deadlineMs / 1000)} s`,
        { cause: lastReason, hint: 'Look at the target’s log; a slow host may need more time.' },
      );
    }
    if (liveness && now > nextLiveness) {
      nextLiveness = now + 250;
      liveness().then(
        ({ alive, detail, code }) => {
          if (!alive) died = { detail, code };
        },
        () => {},
      );
    }
    if (open < maxOpenPolls) {
      const sentMs = now;
      open++;
      polls++;
      void poll(url, options.nonce, pollTimeoutMs).then((result) => {
        open--;
        if (result.valid) {
          const hitMs = sinceT0();
          if (firstHit === null || hitMs < firstHit.hitMs) firstHit = { sentMs, hitMs };
        } else {
          lastReason = result.reason;
          if (firstHit === null) lastMissMs = Math.max(lastMissMs ?? 0, sentMs);
        }
      });
    }
    await sleep(POLL_INTERVAL_MS);
  }
  const hit = firstHit as { sentMs: number; hitMs: number };
  return {
    lastMissMs: lastMissMs === null ? null : Math.min(lastMissMs, hit.hitMs),
    firstHitMs: hit.hitMs,
    polls,
  };
}

/** One GET on a connection of its own: no pool, no retry, nothing kept between polls. */
function poll(url: URL, nonce: string | null, timeoutMs: number): Promise<PollResult> {
  return new Promise((resolve) => {
    const fail = (reason: string) => resolve({ valid: false, reason });
    const req = request(
      url,
      { agent: false, headers: { connection: 'close' }, timeout: timeoutMs },
      (response) => {
        let body = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          if (body.length < 65_536) body += chunk;
        });
        response.on('end', () => {
          if (response.statusCode !== 200) return fail(`status ${response.statusCode}`);
          if (nonce !== null && nonceOf(body) !== nonce) {
            return fail('another server answers at this address (its nonce is not ours)');
          }
          resolve({ valid: true });
        });
        response.on('error', (error) => fail(error.message));
      },
    );
    // `timeout` covers silence of the socket; this covers a reply that trickles.
    const timer = setTimeout(
      () => req.destroy(new Error(`no reply within ${timeoutMs} ms`)),
      timeoutMs,
    );
    req.on('close', () => clearTimeout(timer));
    req.on('error', (error) => fail(error.message));
    req.end();
  });
}

function nonceOf(body: string): unknown {
  try {
    return (JSON.parse(body) as { nonce?: unknown }).nonce;
  } catch {
    return undefined;
  }
}
