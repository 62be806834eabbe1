import { FksError } from "./errors.ts";
import type { Clock } from "./ports/clock.ts";

/** Aborts a transfer that has gone quiet; one timer, however many bytes come. */
export interface Watchdog {
  /** Aborts after the quiet time, or when the caller's own signal does. */
  readonly signal: AbortSignal;
  /** Something came: the quiet time starts anew. */
  touch(): void;
  stop(): void;
}

export function watchdog(clock: Clock, quietMs: number, signal: AbortSignal): Watchdog {
  const quiet = new AbortController();
  const stopped = new AbortController();
  let touchedAt = clock.now();

  function wait(delayMs: number): void {
    clock.after(
      delayMs,
      () => {
        const leftMs = touchedAt + quietMs - clock.now();
        if (leftMs > 0) wait(leftMs);
        else quiet.abort(new FksError("Unavailable", `nothing came for ${quietMs / 1000} s`));
      },
      stopped.signal,
    );
  }
  wait(quietMs);

  return {
    signal: AbortSignal.any([signal, quiet.signal]),
    touch: () => {
      touchedAt = clock.now();
    },
    stop: () => stopped.abort(),
  };
}
