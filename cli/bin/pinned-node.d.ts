/** The pinned Node of this platform; null where no package is published for it, or none installed. */
export function pinnedNode(): { path: string; version: string } | null;
/** Runs this CLI on `path`; never returns, the exit code is the child's. */
export function runOn(pinned: { path: string }, args: string[]): Promise<never>;
/** In the process that `runOn` started: ends in order where its starter was killed. */
export function endWithStarter(): void;
