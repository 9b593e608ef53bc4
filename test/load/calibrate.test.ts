import assert from 'node:assert/strict';
import net from 'node:net';
import { test } from 'node:test';
import { ScratchpadError } from '../../cli/errors.ts';
import { calibrate, startNullServer } from '../../cli/load/calibrate.ts';

test('the calibration gives a floor that is there and plausible', async () => {
  const floor = await calibrate({ durationMs: 500, ratePerSecond: 200, connections: 8 });
  assert.ok(typeof floor.requestsPerCpuSecond === 'number');
  // a hundredth and ten times of what a CPU of today does: wrong units would miss it
  assert.ok(floor.requestsPerCpuSecond > 500 && floor.requestsPerCpuSecond < 500_000);
  assert.ok(floor.requestsPerSecond > 50);
  const { responseP50Us, responseP99Us, lagP50Us } = floor.atRate;
  assert.ok(responseP50Us > 0 && responseP50Us <= responseP99Us);
  assert.ok(lagP50Us >= 0);
});

test('an interrupted calibration is no floor, and its server is gone', async () => {
  await assert.rejects(
    calibrate({ signal: AbortSignal.abort() }),
    (error) => error instanceof ScratchpadError && error.code === 'INTERRUPTED',
  );
});

test('the null server answers every head, split or not, and ends when it is stopped', async () => {
  const server = await startNullServer();
  const { port, hostname } = new URL(server.url);
  const socket = net.connect({ port: Number(port), host: hostname });
  let text = '';
  const threeAnswers = new Promise<void>((resolve) => {
    socket.setEncoding('latin1').on('data', (chunk) => {
      text += chunk;
      if (text.split('HTTP/1.1 200').length - 1 === 3) resolve();
    });
  });
  socket.write('GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n');
  socket.write('Host: x\r\n\r');
  socket.write('\nGET / HTTP/1.1\r\n\r\n');
  await threeAnswers;
  socket.destroy();
  await server.stop();
  await assert.rejects(fetch(server.url));
});
