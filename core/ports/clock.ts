/** Time as the node sees it; tests hand in one they can turn by hand. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Calls `fire` once after `delayMs`, unless `signal` aborts first. */
  after(delayMs: number, fire: () => void, signal: AbortSignal): void;
  /** A signal that aborts after `delayMs`. */
  timeout(delayMs: number): AbortSignal;
}

/** Resolves after `delayMs`; rejects with the reason when `signal` aborts first. */
export function sleep(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  if (signal.aborted) return Promise.reject(signal.reason);
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  clock.after(
    delayMs,
    () => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    },
    signal,
  );
  return promise;
}
