/**
 * The drain of the servers that are given a `fetch` (Deno, Bun). Their own stop closes idle
 * connections at once, and a request that a client puts on one in that instant meets a reset. So for
 * a moment before it every answer says `Connection: close`, and the connections that are in use end by
 * agreement.
 */

/** As in drain.ts: under any load a connection is used again well within this time. */
const ANNOUNCE_MS = 250;

type Answer = (request: Request) => Response | Promise<Response>;

export interface AnnouncedDrain {
  answer: Answer;
  /** Resolves when the connections in use have been told; at `deadlineMs` at the latest. */
  announce(deadlineMs: number): Promise<void>;
}

export function announcedDrain(answer: Answer): AnnouncedDrain {
  let isDraining = false;
  const closing = async (request: Request): Promise<Response> => {
    const response = await answer(request);
    response.headers.set('connection', 'close');
    return response;
  };
  return {
    answer: (request) => (isDraining ? closing(request) : answer(request)),
    async announce(deadlineMs) {
      isDraining = true;
      await new Promise((resolve) => setTimeout(resolve, Math.min(ANNOUNCE_MS, deadlineMs)));
    },
  };
}
