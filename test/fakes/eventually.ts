import type { fakeClock } from "./clock.ts";

/** Fake time passes so many times as fast as real time while a test waits. */
const SPEED = 20;

interface EventuallyOptions {
  /** Turned along while waiting, for what sleeps on it. */
  readonly clock?: ReturnType<typeof fakeClock>;
  /** Real time. */
  readonly withinMs?: number;
}

/** Lets the event loop turn until `isTrue`. */
export async function eventually(
  isTrue: () => boolean,
  { clock, withinMs = 3_000 }: EventuallyOptions = {},
): Promise<void> {
  const start = performance.now();
  let turned = 0;
  while (!isTrue()) {
    const elapsedMs = performance.now() - start;
    if (elapsedMs > withinMs) throw new Error("it never came true");
    await new Promise<void>((resolve) => setImmediate(resolve));
    const dueMs = Math.floor(elapsedMs * SPEED) - turned;
    clock?.advance(dueMs);
    turned += dueMs;
  }
}
