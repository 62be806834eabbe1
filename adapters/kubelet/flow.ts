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

export function holdBack(source: Pausable): HoldBack {
  const full = new Set<number>();
  let isReleased = false;

  return {
    set(reader, isFull) {
      if (isReleased) return;
      if (!isFull) {
        if (full.delete(reader) && full.size === 0) source.resume();
        return;
      }
      if (full.size === 0) source.pause();
      full.add(reader);
    },
    release() {
      isReleased = true;
      if (full.size > 0) source.resume();
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
