/**
 * Hono's router for these routes: an address without parameters is one look-up, the few with them are
 * tried pattern by pattern. By itself Hono would take its TrieRouter here (`/api/posts/:id` beside
 * `/:id/edit` is more than its RegExpRouter can), which needs several times as long, and its
 * PatternRouter alone tries every address. One handler an address; no wildcards.
 */

import type { Result, Router } from 'hono/router';
import { PatternRouter } from 'hono/router/pattern-router';

export class AddressRouter<T> implements Router<T> {
  readonly name = 'AddressRouter';
  readonly #fixed = new Map<string, Map<string, Result<T>>>();
  readonly #patterns = new PatternRouter<T>();

  add(method: string, path: string, handler: T): void {
    if (/[:*]/.test(path)) {
      this.#patterns.add(method, path, handler);
      return;
    }
    const ofMethod = this.#fixed.get(method) ?? new Map<string, Result<T>>();
    this.#fixed.set(method, ofMethod.set(path, [[[handler, {}]]]));
  }

  /** A slash at the end of an address changes nothing. */
  match(method: string, path: string): Result<T> {
    const ofMethod = this.#fixed.get(method);
    const fixed =
      ofMethod?.get(path) ??
      (path.length > 2 && path.endsWith('/') ? ofMethod?.get(path.slice(0, -1)) : undefined);
    return fixed ?? this.#patterns.match(method, path);
  }
}
