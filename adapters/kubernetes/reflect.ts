import { FksError } from "#core/errors.ts";
import { type Clock, sleep } from "#core/ports/clock.ts";
import type { Log } from "#core/ports/log.ts";
import type { KubernetesClient, Query } from "./client.ts";
import type { Decode } from "./decode.ts";

const BACKOFF_FIRST_MS = 200;
const BACKOFF_MAX_MS = 5_000;
/** After so many failed resumes in a row the resourceVersion itself is suspected: list again. */
const RESUMES_BEFORE_RELIST = 5;

/** What a watched list tells, in order. */
export interface Sink<T> {
  /** Everything there is; what is not in it was not seen, which is not yet a proof that it is gone. */
  replace(items: readonly T[]): void;
  put(object: T): void;
  /** The API server said that this very object was deleted. */
  drop(object: T): void;
}

export interface Reflection<T> {
  readonly client: KubernetesClient;
  readonly path: string;
  readonly query: Query;
  readonly decode: Decode<T>;
  readonly sink: Sink<T>;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Lists, then watches, until `signal` aborts. A watch that ends is resumed from the last
 * resourceVersion; only when that is too old everything is listed again. Failures back off.
 */
export async function reflect<T>(reflection: Reflection<T>, signal: AbortSignal): Promise<void> {
  const { clock, log, path, query } = reflection;
  const position: Position = { version: undefined };
  let failures = 0;

  while (!signal.aborted) {
    const startedAt = clock.now();
    try {
      const isFruitful = await listOrWatch(reflection, position, signal);
      // A server that closes every watch at once must not be asked in a tight loop.
      if (isFruitful || clock.now() - startedAt > 1_000) failures = 0;
      else await sleep(clock, backoffMs(failures++), signal);
    } catch (err) {
      if (signal.aborted) return;
      if (!(err instanceof FksError)) throw err;
      failures += 1;
      if (failures % RESUMES_BEFORE_RELIST === 0) position.version = undefined;
      const retryInMs = Math.max(backoffMs(failures), err.retryAfterMs ?? 0);
      log.warn("watch failed", { path, ...query, err, retry_in_ms: retryInMs });
      await sleep(clock, retryInMs, signal).catch(() => {});
    }
  }
}

/** Where to go on; undefined: with a new list. */
interface Position {
  version: string | undefined;
}

/** One list, or one watch until it ends. True when it told anything. */
async function listOrWatch<T>(
  { client, path, query, decode, sink }: Reflection<T>,
  position: Position,
  signal: AbortSignal,
): Promise<boolean> {
  if (position.version === undefined) {
    const { items, resourceVersion } = await client.list(path, query, decode, signal);
    sink.replace(items);
    position.version = resourceVersion;
    return true;
  }

  let isFruitful = false;
  const from = { ...query, resourceVersion: position.version };
  for await (const event of client.watch(path, from, decode, signal)) {
    if (event.type === "EXPIRED") {
      position.version = undefined;
      return isFruitful;
    }
    if (event.type === "DELETED") sink.drop(event.object);
    else if (event.type !== "BOOKMARK") sink.put(event.object);
    position.version = event.resourceVersion;
    isFruitful = true;
  }
  return isFruitful;
}

/** Exponential, with a jitter of half, so that watches do not come back as one. */
function backoffMs(failures: number): number {
  const fullMs = Math.min(BACKOFF_FIRST_MS * 2 ** failures, BACKOFF_MAX_MS);
  return Math.round(fullMs * (0.5 + Math.random() / 2));
}
