import type { Clock } from "#core/ports/clock.ts";

/** A paused socket does not notice that its peer is gone; what is sent to it does. */
const PROBE_INTERVAL_MS = 1_000;

/** What can be paused and resumed as a whole: a socket, a WebSocket. */
interface Pausable {
  pause(): void;
  resume(): void;
}

/** Pauses a source while at least one of its readers is full, because it cannot pause for one. */
export interface HoldBack {
  set(reader: number, isFull: boolean): void;
  /** From now on the source runs freely. */
  release(): void;
}

/** `probe` sends the peer a few bytes that mean nothing; it is called while the source is paused. */
export function holdBack(source: Pausable, clock: Clock, probe: () => void): HoldBack {
  const full = new Set<number>();
  let held: AbortController | undefined;
  let isReleased = false;

  function pause(): void {
    held = new AbortController();
    source.pause();
    probeLater(held.signal);
  }

  function probeLater(signal: AbortSignal): void {
    clock.after(
      PROBE_INTERVAL_MS,
      () => {
        probe();
        if (!signal.aborted) probeLater(signal);
      },
      signal,
    );
  }

  function resume(): void {
    held?.abort();
    held = undefined;
    source.resume();
  }

  return {
    set(reader, isFull) {
      if (isReleased) return;
      if (isFull) full.add(reader);
      else full.delete(reader);
      if (full.size > 0 && held === undefined) pause();
      if (full.size === 0 && held !== undefined) resume();
    },
    release() {
      isReleased = true;
      if (held !== undefined) resume();
    },
  };
}

/** Lets any number of writers wait for one drain. */
export interface Drain {
  /** Resolves at the next `drained`. */
  wait(): Promise<void>;
  drained(): void;
}

export function sharedDrain(): Drain {
  let waiting: PromiseWithResolvers<void> | undefined;
  return {
    wait() {
      waiting ??= Promise.withResolvers<void>();
      return waiting.promise;
    },
    drained() {
      waiting?.resolve();
      waiting = undefined;
    },
  };
}
