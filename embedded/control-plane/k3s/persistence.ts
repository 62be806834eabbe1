import { FksError } from "#core/errors.ts";
import { sleep } from "#core/ports/clock.ts";
import type { Web } from "./web.ts";

/** In a row, with nothing received. */
const ATTEMPTS_MAX = 3;
/** Whoever breaks off more often than this is not worth waiting for. */
const ROUNDS_MAX = 100;

/**
 * Tries again what failed with `retryAfterMs`. An attempt in which something came, by the count of
 * `received`, counts as none. The last failure is thrown, and every other one at once.
 */
export async function persistently<T>(
  { clock }: Pick<Web, "clock">,
  attempt: () => Promise<T>,
  received: () => number,
  signal: AbortSignal,
): Promise<T> {
  let most = received();
  let inVain = 0;
  for (let round = 1; ; round += 1) {
    try {
      return await attempt();
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof FksError) || error.retryAfterMs === undefined) throw error;
      inVain = received() > most ? 0 : inVain + 1;
      most = Math.max(most, received());
      if (inVain >= ATTEMPTS_MAX || round >= ROUNDS_MAX) throw error;
      await sleep(clock, error.retryAfterMs * 2 ** Math.max(inVain - 1, 0), signal);
    }
  }
}
