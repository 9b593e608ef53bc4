import assert from 'node:assert/strict';
import { type AddressInfo, createServer } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { assertPortFree, freePort, portHolder } from '../../cli/targets/port.ts';

async function taken(t: TestContext, host: string): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  t.after(() => new Promise((resolve) => server.close(resolve)));
  return (server.address() as AddressInfo).port;
}

describe('the port', () => {
  it('a free one is free, and still is after having been asked', async () => {
    const port = await freePort();
    await assertPortFree('127.0.0.1', port);
    await assertPortFree('127.0.0.1', port);
    assert.equal(portHolder(port), null);
  });

  for (const host of ['127.0.0.1', '0.0.0.0']) {
    it(`one that is taken on ${host} is an error that names who has it`, async (t) => {
      const port = await taken(t, host);
      await assert.rejects(
        assertPortFree('127.0.0.1', port),
        (error: Error & { code: string; exitCode: number; hint: string; details: object }) => {
          assert.equal(error.code, 'PORT_IN_USE');
          assert.equal(error.exitCode, 3);
          assert.match(error.hint, /--port/);
          if (process.platform === 'linux') {
            assert.match(error.message, new RegExp(`in use by .*node.* \\(pid ${process.pid}\\)`));
          }
          return true;
        },
      );
    });
  }
});
