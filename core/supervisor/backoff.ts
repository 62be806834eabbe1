const FIRST_DELAY_MS = 250;
const MAX_DELAY_MS = 30_000;
/** A child that ran this long had a good life: its next death is the first again. */
const RESET_AFTER_MS = 60_000;
const CRASH_LOOP_DEATHS = 4;

/** How often in a row a child died young, and what follows from it. */
export interface Backoff {
  readonly deaths: number;
  readonly delayMs: number;
  /** Worth a person's attention; the next tries go on all the same. */
  readonly isCrashLoop: boolean;
}

export const NO_BACKOFF: Backoff = { deaths: 0, delayMs: 0, isCrashLoop: false };

/** The back-off after a child died that had run for `ranMs`: 0.25 s, doubled up to 30 s. Pure. */
export function backoffAfter({ deaths: before }: Backoff, ranMs: number): Backoff {
  const deaths = ranMs >= RESET_AFTER_MS ? 1 : before + 1;
  return {
    deaths,
    delayMs: Math.min(FIRST_DELAY_MS * 2 ** (deaths - 1), MAX_DELAY_MS),
    isCrashLoop: deaths >= CRASH_LOOP_DEATHS,
  };
}

/** What is left of a back-off once its child has run for `ranMs`. Pure. */
export function backoffWhileRunning(backoff: Backoff, ranMs: number): Backoff {
  return ranMs >= RESET_AFTER_MS ? NO_BACKOFF : backoff;
}
