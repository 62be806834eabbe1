import { FksError } from "#core/errors.ts";
import { type Clock, sleep } from "#core/ports/clock.ts";
import type { Log } from "#core/ports/log.ts";

const RETRY_FIRST_MS = 50;
const RETRY_MAX_MS = 2_000;
/** What passes by itself while a control plane starts: rights and objects come one after the other. */
const PASSING = ["Unavailable", "RateLimited", "NotFound", "Forbidden", "Unauthorized"];

interface Waiting {
  /** `the API server`, for the log and for people. */
  readonly what: string;
  readonly waiting: (reason: string) => void;
  readonly clock: Clock;
  readonly log: Log;
}

/** Tries until it works, telling why it did not. Errors that no waiting cures are thrown. */
export async function untilThere<T>(
  { what, waiting, clock, log }: Waiting,
  attempt: () => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  let told = "";
  for (let delayMs = RETRY_FIRST_MS; ; delayMs = Math.min(delayMs * 2, RETRY_MAX_MS)) {
    waiting(`waiting for ${what}`);
    try {
      return await attempt();
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof FksError) || !PASSING.includes(error.code)) throw error;
      waiting(`waiting for ${what}: ${error.message}`);
      if (error.message !== told) log.info("waiting", { what, reason: error.message });
      told = error.message;
      await sleep(clock, Math.max(delayMs, error.retryAfterMs ?? 0), signal);
    }
  }
}
