/** Opens the configured database, brings its schema up and returns the store over it. */
import type { Client } from '@libsql/core/api';
import { type Config, isFile } from '../config.ts';
import { migrate } from '../db/migrate.ts';
import { closeFile, openFile } from '../db/open-file.ts';
import { createPostStore, type PostStore } from '../db/posts.ts';
import { seedPosts } from './seed.ts';

export async function openStore(config: Config): Promise<PostStore> {
  if (isFile(config)) {
    const client = await openFile({
      url: config.dbUrl,
      synchronous: config.synchronous,
      busyTimeoutMs: config.busyTimeoutMs,
    });
    await prepare(client, config);
    const store = createPostStore(client, { singleRow: (query) => client.expectSingleRow(query) });
    return { ...store, close: () => closeFile(client) };
  }
  // The HTTP client is loaded only where it is used: it would add a tenth to every start.
  const { openRemote } = await import('../db/open-remote.ts');
  const client = openRemote({ url: config.dbUrl, authToken: config.dbToken });
  await prepare(client, config);
  return createPostStore(client);
}

const prepare = (client: Client, { seed }: Config) =>
  migrate(client, { seed: seed ? seedPosts : [] });
