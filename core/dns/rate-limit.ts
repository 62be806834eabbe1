/** Who asks more often than this, for long, is not answered. */
export interface RateLimit {
  /** Counts one question of `client` at this time, in milliseconds; false when it is one too many. */
  allows(client: string, nowMs: number): boolean;
}

interface Bucket {
  tokens: number;
  filledAtMs: number;
}

/** Whoever came first is forgotten first, and begins anew with a full bucket. */
const CLIENTS_MAX = 8_192;

/** A bucket for each client: `perSecond` in the long run, `burst` at once. */
export function rateLimit(options: {
  readonly perSecond: number;
  readonly burst: number;
}): RateLimit {
  const { perSecond, burst } = options;
  const buckets = new Map<string, Bucket>();

  function bucketOf(client: string, nowMs: number): Bucket {
    const bucket = { tokens: burst, filledAtMs: nowMs };
    buckets.set(client, bucket);
    if (buckets.size > CLIENTS_MAX) {
      for (const oldest of buckets.keys()) {
        buckets.delete(oldest);
        break;
      }
    }
    return bucket;
  }

  return {
    allows(client, nowMs) {
      const bucket = buckets.get(client) ?? bucketOf(client, nowMs);
      const passedMs = nowMs - bucket.filledAtMs;
      if (passedMs > 0) {
        bucket.tokens = Math.min(burst, bucket.tokens + (passedMs * perSecond) / 1_000);
        bucket.filledAtMs = nowMs;
      }
      if (bucket.tokens < 1) return false;
      bucket.tokens -= 1;
      return true;
    },
  };
}
