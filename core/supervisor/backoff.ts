const FIRST_DELAY_MS = 250;
const MAX_DELAY_MS = 30_000;
/** A child that ran this long and was ready had a good life: its next death is the first again. */
const RESET_AFTER_MS = 60_000;
const CRASH_LOOP_DEATHS = 4;

/** A child's life, from its start to now or to its end. */
export interface Life {
  readonly ranMs: number;
  /** At any time in it. */
  readonly wasReady: boolean;
}

/** How often in a row a child died without a good life, and what follows from it. */
export interface Backoff {
  readonly deaths: number;
  readonly delayMs: number;
  /** Worth a person's attention; the next tries go on all the same. */
  readonly isCrashLoop: boolean;
}

export const NO_BACKOFF: Backoff = { deaths: 0, delayMs: 0, isCrashLoop: false };

/** The back-off after the death that ended `life`: 0.25 s, doubled up to 30 s. Pure. */
export function backoffAfter({ deaths: before }: Backoff, life: Life): Backoff {
  const deaths = wasGood(life) ? 1 : before + 1;
  return {
    deaths,
    delayMs: Math.min(FIRST_DELAY_MS * 2 ** (deaths - 1), MAX_DELAY_MS),
    isCrashLoop: deaths >= CRASH_LOOP_DEATHS,
  };
}

/** What is left of a back-off once its child has lived for so long. Pure. */
export function backoffWhileRunning(backoff: Backoff, life: Life): Backoff {
  return wasGood(life) ? NO_BACKOFF : backoff;
}

function wasGood({ ranMs, wasReady }: Life): boolean {
  return wasReady && ranMs >= RESET_AFTER_MS;
}
