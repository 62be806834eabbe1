import { type Clock, sleep } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";

export const SWEEP_MS = 60_000;

interface SweepEveryMinute {
  /** What the log says of a pass that failed: `sweep of apps failed`. */
  readonly failure: string;
  readonly pass: (signal: AbortSignal) => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
}

/** Makes a pass every minute until `signal` aborts; a failed one is a line in the log. */
export async function sweepEveryMinute(
  { failure, pass, clock, log }: SweepEveryMinute,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await pass(signal);
    } catch (err) {
      if (!signal.aborted) log.warn(failure, { err, retry_in_ms: SWEEP_MS });
    }
    await sleep(clock, SWEEP_MS, signal).catch(() => {});
  }
}
