import type { Clock } from "#core/ports/clock.ts";

/** A token bucket's measure. */
export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

/** Fly's documented limits: per action and Machine, or App for what concerns no one Machine. */
const DEFAULT_RATE: Rate = { perSecond: 1, burst: 3 };
const GET_MACHINE_RATE: Rate = { perSecond: 5, burst: 10 };
const DELETE_APP_RATE: Rate = { perSecond: 100 / 60, burst: 100 };

/** Beyond this many buckets the full ones are dropped: a full bucket is as good as none. */
const MAX_BUCKETS = 10_000;

export interface Limits {
  /** Takes one token of `key`; otherwise the milliseconds until there is one. */
  take(key: string, rate: Rate): number;
}

export function limits(clock: Clock): Limits {
  const buckets = new Map<string, { tokens: number; atMs: number; readonly rate: Rate }>();

  function dropFull(nowMs: number): void {
    for (const [key, { tokens, atMs, rate }] of buckets) {
      if (tokens + ((nowMs - atMs) / 1_000) * rate.perSecond >= rate.burst) buckets.delete(key);
    }
  }

  return {
    take(key, rate) {
      const nowMs = clock.now();
      if (buckets.size >= MAX_BUCKETS) dropFull(nowMs);
      const bucket = buckets.get(key) ?? { tokens: rate.burst, atMs: nowMs, rate };
      const gained = ((nowMs - bucket.atMs) / 1_000) * rate.perSecond;
      bucket.tokens = Math.min(rate.burst, bucket.tokens + gained);
      bucket.atMs = nowMs;
      buckets.set(key, bucket);
      if (bucket.tokens < 1) return Math.ceil(((1 - bucket.tokens) / rate.perSecond) * 1_000);
      bucket.tokens -= 1;
      return 0;
    },
  };
}

const MACHINE_PATH = /^\/v1\/apps\/([^/]+)\/machines\/([^/]+)(?:\/([^/]+))?/;
const APP_PATH = /^\/v1\/apps\/([^/]+)(?:\/([^/]+))?/;

/** The bucket a request counts in. Pure. */
export function bucketFor(
  method: string,
  path: string,
): { readonly key: string; readonly rate: Rate } {
  const [, , machine, action = ""] = MACHINE_PATH.exec(path) ?? [];
  if (machine !== undefined) {
    const isGet = method === "GET" && action === "";
    const rate = isGet ? GET_MACHINE_RATE : DEFAULT_RATE;
    return { key: `${method} ${action} ${machine}`, rate };
  }
  const [, app = "", collection = ""] = APP_PATH.exec(path) ?? [];
  const isAppDelete = method === "DELETE" && collection === "";
  if (isAppDelete) return { key: "DELETE app", rate: DELETE_APP_RATE };
  return { key: `${method} ${collection} ${app}`, rate: DEFAULT_RATE };
}
