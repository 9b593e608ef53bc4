/**
 * Between the libSQL HTTP client and tursodb's sync server, which speaks Hrana 2 over HTTP but for
 * the requests `close` and `store_sql`: answers those itself. Part of the tests, not of the product:
 * a full libSQL server knows them.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';

interface Statement {
  sql?: string;
  sql_id?: number;
}
interface StreamRequest {
  type: string;
  sql?: string;
  sql_id?: number;
  stmt?: Statement;
  batch?: { steps: Array<{ stmt: Statement }> };
}

export interface Adapter {
  url: string;
  close(): Promise<void>;
}

export async function startAdapter(target: string): Promise<Adapter> {
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    if (request.url !== '/v2/pipeline') {
      // The client asks which versions there are; /v2 needs no more than an answer.
      response.writeHead(request.url === '/v2' ? 200 : 404).end();
      return;
    }
    const { requests } = JSON.parse(Buffer.concat(chunks).toString()) as {
      requests: StreamRequest[];
    };
    const stored = new Map<number, string>();
    const resolve = (statement: Statement): void => {
      if (statement.sql_id === undefined) return;
      statement.sql = stored.get(statement.sql_id)!;
      delete statement.sql_id;
    };
    const passed: StreamRequest[] = [];
    for (const one of requests) {
      if (one.type === 'store_sql') stored.set(one.sql_id!, one.sql!);
      if (one.stmt !== undefined) resolve(one.stmt);
      for (const step of one.batch?.steps ?? []) resolve(step.stmt);
      if (one.type === 'execute' || one.type === 'batch') passed.push(one);
    }
    let results: unknown[] = [];
    if (passed.length > 0) {
      const reply = await fetch(`${target}/v2/pipeline`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ requests: passed }),
      });
      if (!reply.ok) {
        response.writeHead(reply.status).end(await reply.text());
        return;
      }
      results = ((await reply.json()) as { results: unknown[] }).results;
    }
    const answers = requests.map(({ type }) =>
      type === 'execute' || type === 'batch' ? results.shift() : { type: 'ok', response: { type } },
    );
    response
      .writeHead(200, { 'content-type': 'application/json' })
      .end(JSON.stringify({ baton: null, base_url: null, results: answers }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  return {
    url: `http://127.0.0.1:${port}`,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
