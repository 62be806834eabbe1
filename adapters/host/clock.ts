import type { Clock } from "#core/ports/clock.ts";

/** The host's own time. */
export function hostClock(): Clock {
  return {
    now: () => Date.now(),
    after(delayMs, fire, signal) {
      if (signal.aborted) return;
      const stop = (): void => clearTimeout(timer);
      const timer = setTimeout(() => {
        signal.removeEventListener("abort", stop);
        fire();
      }, delayMs);
      signal.addEventListener("abort", stop, { once: true });
    },
    timeout: (delayMs) => AbortSignal.timeout(delayMs),
  };
}
