/** `probe --url`: is a running app there, how fast does it answer, and is it ours? */
import ky from 'ky';
import { ScratchpadError } from '../errors.ts';
import { summarize } from '../stats/summary.ts';
import { readWorkloadStatus } from './control.ts';

export interface UrlReport {
  kind: 'url-probe';
  url: string;
  checks: number;
  status: number;
  /** From the request's start to the end of the body, each on the same client, in ms. */
  replyMs: ReturnType<typeof summarize>;
  /** What `/readyz` says where the server is a scratch pad; null where it is not. */
  workload: Record<string, unknown> | null;
}

/** @throws ScratchpadError BAD_FLAG, TARGET_UNREACHABLE */
export async function probeUrl(
  text: string,
  { checks, signal }: { checks: number; signal: AbortSignal },
): Promise<{ report: UrlReport; text: string }> {
  let url: URL;
  try {
    url = new URL(text);
  } catch (cause) {
    throw new ScratchpadError('BAD_FLAG', `"${text}" is not a URL`, {
      cause,
      hint: 'Write it with its scheme: http://127.0.0.1:8080/.',
    });
  }
  const timesMs: number[] = [];
  let status = 0;
  for (let i = 0; i < checks; i++) {
    const start = performance.now();
    try {
      const response = await ky.get(url, {
        retry: 0,
        timeout: 10_000,
        throwHttpErrors: false,
        redirect: 'manual',
        signal,
      });
      await response.arrayBuffer();
      status = response.status;
    } catch (cause) {
      if (signal.aborted) throw signal.reason;
      throw new ScratchpadError('TARGET_UNREACHABLE', `No reply from ${url.href}`, {
        cause: rootCause(cause),
        hint: 'Is the app running, and is the port right? `scratchpad status` lists deployments.',
      });
    }
    timesMs.push(performance.now() - start);
  }
  const report: UrlReport = {
    kind: 'url-probe',
    url: url.href,
    checks,
    status,
    replyMs: summarize(timesMs),
    workload: await readWorkloadStatus(url.href),
  };
  const { median, max } = report.replyMs;
  return {
    report,
    text: [
      `${url.href} answers ${status}; ${checks} checks, median ${median.toFixed(1)} ms, max ${max.toFixed(1)} ms`,
      report.workload ? 'it is a scratch pad (its /readyz says so)' : 'it is not a scratch pad',
    ].join('\n'),
  };
}

function rootCause(error: unknown): unknown {
  let cause = error;
  while (cause instanceof Error && cause.cause instanceof Error) cause = cause.cause;
  return cause;
}
