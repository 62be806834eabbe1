import { FksError } from "#core/errors.ts";
import type { Clock } from "#core/ports/clock.ts";

/**
 * The calls we allow ourselves: per action and identifier 1/s with a burst of 3, reads of one
 * Machine 5/s with a burst of 10, and nothing while a `Retry-After` runs.
 * Source: Fly docs, "Machines API", rate limits.
 */
export interface CallBudget {
  /**
   * Resolves when the call may be made, in the order of asking. Rejects with the reason of
   * `signal`, and with `RateLimited` when too many wait for the same key already.
   */
  take(call: BudgetedCall, signal: AbortSignal): Promise<void>;
  /** Nothing of this call's key is allowed for `delayMs`. Obeyed also when the budget is off. */
  pause(call: BudgetedCall, delayMs: number): void;
}

export interface BudgetedCall {
  /** `get` (one Machine), `list`, `create`, `wait` … */
  readonly action: string;
  /** The Machine's id; the App's name for calls about an App. */
  readonly id: string;
}

interface Limit {
  readonly intervalMs: number;
  readonly burst: number;
}

interface Bucket {
  readonly limit: Limit;
  /** When the bucket is full again. */
  fullAtMs: number;
  notBeforeMs: number;
  hasSlack: boolean;
  readonly waiters: (() => void)[];
  timer: AbortController | undefined;
}

const READ: Limit = { intervalMs: 200, burst: 10 };
const OTHER: Limit = { intervalMs: 1_000, burst: 3 };
const OFF: Limit = { intervalMs: 0, burst: 1 };

/** Two calls may arrive closer together than they left: once per busy time we lag this much. */
const SLACK_MS = 250;
/** More than the Pods of one Node; beyond it take() throws. */
const WAITERS_MAX = 2_000;
/** Beyond it the keys that are at rest are forgotten. */
const KEYS_MAX = 10_000;

export function callBudget(options: {
  readonly clock: Clock;
  readonly enabled: boolean;
}): CallBudget {
  const { clock, enabled } = options;
  const buckets = new Map<string, Bucket>();

  function bucketOf({ action, id }: BudgetedCall): Bucket {
    const key = `${action} ${id}`;
    const known = buckets.get(key);
    if (known !== undefined) return known;

    if (buckets.size >= KEYS_MAX) forgetIdle();
    const limit = action === "get" ? READ : OTHER;
    const bucket: Bucket = {
      limit: enabled ? limit : OFF,
      fullAtMs: 0,
      notBeforeMs: 0,
      hasSlack: false,
      waiters: [],
      timer: undefined,
    };
    buckets.set(key, bucket);
    return bucket;
  }

  function forgetIdle(): void {
    const nowMs = clock.now();
    for (const [key, bucket] of buckets) {
      const isFull = bucket.fullAtMs <= nowMs && bucket.notBeforeMs <= nowMs;
      if (bucket.waiters.length === 0 && isFull) buckets.delete(key);
    }
  }

  /** Lets those go who may, first come first served, and looks again when the next one may. */
  function serve(bucket: Bucket): void {
    bucket.timer?.abort();
    bucket.timer = undefined;
    while (bucket.waiters.length > 0) {
      const delayMs = allowedAtMs(bucket) - clock.now();
      if (delayMs > 0) {
        bucket.timer = new AbortController();
        clock.after(delayMs, () => serve(bucket), bucket.timer.signal);
        return;
      }
      spend(bucket, clock.now());
      bucket.waiters.shift()?.();
    }
  }

  return {
    take(call, signal) {
      if (signal.aborted) return Promise.reject(signal.reason);
      const bucket = bucketOf(call);
      if (bucket.waiters.length >= WAITERS_MAX) return Promise.reject(tooMany(call));

      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const go = (): void => {
        signal.removeEventListener("abort", giveUp);
        resolve();
      };
      const giveUp = (): void => {
        bucket.waiters.splice(bucket.waiters.indexOf(go), 1);
        reject(signal.reason);
      };
      signal.addEventListener("abort", giveUp, { once: true });
      bucket.waiters.push(go);
      if (bucket.waiters.length === 1) serve(bucket);
      return promise;
    },

    pause(call, delayMs) {
      const bucket = bucketOf(call);
      const untilMs = clock.now() + delayMs;
      bucket.notBeforeMs = Math.max(bucket.notBeforeMs, untilMs);
      // The other side's bucket is empty: after the pause one call, then one per interval.
      const { intervalMs, burst } = bucket.limit;
      bucket.fullAtMs = Math.max(bucket.fullAtMs, untilMs + (burst - 1) * intervalMs);
      serve(bucket);
    },
  };
}

function allowedAtMs({ limit, fullAtMs, notBeforeMs }: Bucket): number {
  return Math.max(fullAtMs - (limit.burst - 1) * limit.intervalMs, notBeforeMs);
}

function spend(bucket: Bucket, nowMs: number): void {
  const { intervalMs, burst } = bucket.limit;
  if (bucket.fullAtMs <= nowMs) bucket.hasSlack = false;
  bucket.fullAtMs = Math.max(bucket.fullAtMs, nowMs) + intervalMs;

  const isEmpty = bucket.fullAtMs - nowMs > (burst - 1) * intervalMs;
  if (!isEmpty || bucket.hasSlack || intervalMs === 0) return;
  bucket.hasSlack = true;
  bucket.fullAtMs += SLACK_MS;
}

function tooMany({ action, id }: BudgetedCall): FksError {
  return new FksError("RateLimited", `too many calls wait for ${action} ${id}`, {
    retryAfterMs: WAITERS_MAX * OTHER.intervalMs,
  });
}
