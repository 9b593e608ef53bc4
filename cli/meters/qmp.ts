/**
 * QEMU's machine protocol over a unix socket: one JSON document per line. A connection serves one
 * client at a time, so it is made for a batch of commands and closed again.
 * Format: QEMU docs/interop/qmp-spec.rst.
 */
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { ScratchpadError } from '../errors.ts';

export interface QmpCommand {
  execute: string;
  arguments?: Record<string, unknown>;
}

/** A command's return value, or the error that QEMU gave for it. */
export type QmpAnswer = { ok: true; value: unknown } | { ok: false; error: string };

/** QEMU makes its sockets while it starts, and has a queue of one for those who come meanwhile. */
const NOT_YET = new Set(['ENOENT', 'ECONNREFUSED', 'EAGAIN']);
const TRY_AGAIN_MS = 20;

/**
 * Runs the commands in order and gives the answers in the same order. Rejects with
 * TARGET_UNREACHABLE where the socket can't be reached or does not answer in `timeoutMs` (another
 * client holding the socket looks so too). `socketWithinMs`: how long a socket that is not there yet
 * is waited for; no command is ever sent twice.
 */
export async function askQmp(
  socketPath: string,
  commands: readonly QmpCommand[],
  timeoutMs = 1_000,
  socketWithinMs = 0,
): Promise<QmpAnswer[]> {
  const failed = (why: string, cause?: unknown) =>
    new ScratchpadError('TARGET_UNREACHABLE', `QEMU's monitor ${socketPath} ${why}`, {
      cause,
      hint: 'Give the meter a `-qmp unix:…,server=on,wait=off` socket of its own.',
    });
  const socket = await connected(socketPath, socketWithinMs).catch((error: Error) => {
    throw failed(`can't be reached: ${error.message}`, error);
  });
  socket.setEncoding('utf8');
  try {
    return await new Promise<QmpAnswer[]>((resolve, reject) => {
      const answers: QmpAnswer[] = [];
      const timer = setTimeout(
        () => reject(failed(`gave no answer in ${timeoutMs} ms`)),
        timeoutMs,
      );
      socket.on('error', (error) => reject(failed(`can't be reached: ${error.message}`, error)));
      socket.on('close', () => {
        clearTimeout(timer);
        reject(failed('was closed'));
      });
      const send = (command: QmpCommand) => socket.write(`${JSON.stringify(command)}\n`);
      const take = (line: string) => {
        const message = JSON.parse(line) as Record<string, unknown>;
        if ('QMP' in message) {
          send({ execute: 'qmp_capabilities' });
          for (const command of commands) send(command);
        } else if ('return' in message || 'error' in message) {
          answers.push(
            'return' in message
              ? { ok: true, value: message['return'] }
              : { ok: false, error: (message['error'] as { desc: string }).desc },
          );
          // The first answer is that of qmp_capabilities; events in between are passed over.
          if (answers.length === commands.length + 1) {
            clearTimeout(timer);
            resolve(answers.slice(1));
          }
        }
      };
      let rest = '';
      socket.on('data', (text: string) => {
        const lines = (rest + text).split('\n');
        rest = lines.pop()!;
        try {
          for (const line of lines) if (line.trim() !== '') take(line);
        } catch (error) {
          reject(failed('does not speak QMP', error));
        }
      });
    });
  } finally {
    socket.destroy();
  }
}

async function connected(socketPath: string, withinMs: number): Promise<Socket> {
  const until = performance.now() + withinMs;
  for (;;) {
    try {
      return await new Promise<Socket>((resolve, reject) => {
        const socket = connect(socketPath);
        socket.once('error', reject);
        socket.once('connect', () => {
          socket.off('error', reject);
          resolve(socket);
        });
      });
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (!NOT_YET.has(code ?? '') || performance.now() >= until) throw error;
      await sleep(TRY_AGAIN_MS);
    }
  }
}
