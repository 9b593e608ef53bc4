/**
 * The drain of the servers that are given a `fetch` (Deno, Bun). Their own stop closes idle
 * connections at once, and a request that a client puts on one in that instant meets a reset; Deno's
 * also cuts off what is still being sent. So for a moment before it every answer says
 * `Connection: close`, by which the connections that are in use end by agreement, and the requests
 * that were open are waited for.
 */

/** As in drain.ts: under any load a connection is used again well within this time. */
const ANNOUNCE_MS = 250;
const LOOK_EVERY_MS = 25;

type Answer = (request: Request) => Response | Promise<Response>;

export interface AnnouncedDrain {
  answer: Answer;
  /**
   * Resolves when the connections in use have been told and the requests that were open are answered;
   * at `deadlineMs` at the latest. Tells what is left of that time.
   */
  announce(deadlineMs: number): Promise<{ leftMs: number }>;
}

export function announcedDrain(answer: Answer): AnnouncedDrain {
  let isDraining = false;
  /** Requests that came before the drain and are not answered. */
  let open = 0;
  /** Looked at on each answer too: Bun's timers wait while new connections keep coming. */
  let look = (): void => {};
  return {
    async answer(request) {
      const isEarly = !isDraining;
      if (isEarly) open++;
      try {
        const response = await answer(request);
        if (isDraining) response.headers.set('connection', 'close');
        return response;
      } finally {
        if (isEarly) open--;
        look();
      }
    },
    announce(deadlineMs) {
      isDraining = true;
      const startMs = performance.now();
      return new Promise((resolve) => {
        look = () => {
          const passedMs = performance.now() - startMs;
          if (passedMs < deadlineMs && (passedMs < ANNOUNCE_MS || open > 0)) return;
          clearInterval(looking);
          look = () => {};
          resolve({ leftMs: Math.max(0, deadlineMs - passedMs) });
        };
        const looking = setInterval(() => look(), LOOK_EVERY_MS);
      });
    },
  };
}
