import { FksError } from "../errors.ts";
import { type Clock, sleep } from "../ports/clock.ts";

const RETRY_FIRST_MS = 100;
const RETRY_MAX_MS = 5_000;

interface Following {
  /** One connection, until it ends; calls `onSynced` once it has told everything there is. */
  readonly follow: (onSynced: () => void, signal: AbortSignal) => Promise<void>;
  /** It was lost, or never came about. */
  readonly onLost: (err: FksError) => void;
  readonly clock: Clock;
}

/** Follows a stream of changes, connection after connection, until `signal` aborts. */
export async function followForever(
  { follow, onLost, clock }: Following,
  signal: AbortSignal,
): Promise<void> {
  let delayMs = RETRY_FIRST_MS;
  const onSynced = (): void => {
    delayMs = RETRY_FIRST_MS;
  };
  while (!signal.aborted) {
    try {
      await follow(onSynced, signal);
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof FksError)) throw error;
      onLost(error);
    }
    await sleep(clock, delayMs, signal).catch(() => {});
    delayMs = Math.min(delayMs * 2, RETRY_MAX_MS);
  }
}
