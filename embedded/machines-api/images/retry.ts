import { FksError } from "#core/errors.ts";
import { type Clock, sleep } from "#core/ports/clock.ts";

export interface RetryRules {
  readonly attempts: number;
  /** Before the second attempt; doubled before each further one. */
  readonly firstDelayMs: number;
  /** A registry that wants us to wait longer than this is left alone. */
  readonly maxDelayMs: number;
}

export const REGISTRY_RETRIES: RetryRules = {
  attempts: 5,
  firstDelayMs: 300,
  maxDelayMs: 20_000,
};

/** Tries again what failed as `Unavailable`; everything else is thrown at once. */
export async function retrying<T>(
  clock: Clock,
  rules: RetryRules,
  attempt: () => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  for (let tried = 1; ; tried += 1) {
    try {
      return await attempt();
    } catch (error) {
      signal.throwIfAborted();
      if (!FksError.is(error, "Unavailable") || tried >= rules.attempts) throw error;
      const delayMs = error.retryAfterMs ?? rules.firstDelayMs * 2 ** (tried - 1);
      if (delayMs > rules.maxDelayMs) throw error;
      await sleep(clock, delayMs, signal);
    }
  }
}
