/** The seed posts, bundled: the artifact needs no file beside it. */
import posts from '../../fixtures/posts.json' with { type: 'json' };
import type { SeedPost } from '../db/migrate.ts';

export const seedPosts: SeedPost[] = posts;
