import { FksError } from "../errors.ts";
import type { Clock } from "../ports/clock.ts";

const BACKOFF_MIN_MS = 250;
const BACKOFF_MAX_MS = 60_000;

/** Ten times the largest cluster a test has seen; beyond it `add` throws. */
const QUEUE_MAX_KEYS = 100_000;

/** Keys that wait for work. A key is handed to one worker at a time. */
export interface WorkQueue {
  /**
   * The key is looked at as soon as a worker is free. While it is being worked on: once more
   * afterwards. While it waits out a back-off: nothing, a touch never cancels one.
   */
  add(key: string): void;
  /** The next key; rejects with the reason when `signal` aborts. */
  take(signal: AbortSignal): Promise<string>;
  /** Forgets the key's failures and, with `recheckInMs`, looks at it again then. */
  settle(key: string, recheckInMs?: number): void;
  /** Puts the key back after a back-off, which it returns in milliseconds. */
  retry(key: string, error: unknown): number;
  /** How many keys could be worked on now. */
  depth(): number;
}

/** Exponential, with a ceiling; a delay the other side asked for wins when it is longer. */
export function backoffMs(failures: number, error: unknown): number {
  const own = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** Math.min(failures, 16));
  const asked = error instanceof FksError ? (error.retryAfterMs ?? 0) : 0;
  return Math.max(own, asked);
}

/** A queue whose timers end with `stop`. */
export function workQueue(clock: Clock, stop: AbortSignal): WorkQueue {
  const ready = fifo();
  const working = new Map<string, { touched: boolean }>();
  const failures = new Map<string, number>();
  const timers = new Map<string, { readonly isBackoff: boolean; readonly cancel: () => void }>();
  const idle = new Set<(key: string) => void>();

  function add(key: string): void {
    const work = working.get(key);
    if (work !== undefined) {
      work.touched = true;
      return;
    }
    const timer = timers.get(key);
    if (timer?.isBackoff === true) return;
    timer?.cancel();
    makeReady(key);
  }

  function makeReady(key: string): void {
    timers.delete(key);
    const [worker] = idle;
    if (worker !== undefined && !working.has(key)) {
      idle.delete(worker);
      working.set(key, { touched: false });
      worker(key);
    } else {
      ready.push(key);
    }
  }

  function addLater(key: string, delayMs: number, isBackoff: boolean): void {
    const controller = new AbortController();
    timers.set(key, { isBackoff, cancel: () => controller.abort() });
    clock.after(delayMs, () => makeReady(key), controller.signal);
  }

  stop.addEventListener("abort", () => {
    for (const { cancel } of timers.values()) cancel();
    timers.clear();
  });

  return {
    add,
    take(signal) {
      if (signal.aborted) return Promise.reject(signal.reason);
      const key = ready.shift();
      if (key !== undefined) {
        working.set(key, { touched: false });
        return Promise.resolve(key);
      }
      const { promise, resolve, reject } = Promise.withResolvers<string>();
      const onAbort = (): void => {
        idle.delete(give);
        reject(signal.reason);
      };
      const give = (given: string): void => {
        signal.removeEventListener("abort", onAbort);
        resolve(given);
      };
      signal.addEventListener("abort", onAbort, { once: true });
      idle.add(give);
      return promise;
    },
    settle(key, recheckInMs) {
      const touched = working.get(key)?.touched === true;
      working.delete(key);
      failures.delete(key);
      if (touched) makeReady(key);
      else if (recheckInMs !== undefined && !stop.aborted) addLater(key, recheckInMs, false);
    },
    retry(key, error) {
      const count = failures.get(key) ?? 0;
      const delayMs = backoffMs(count, error);
      working.delete(key);
      failures.set(key, count + 1);
      if (!stop.aborted) addLater(key, delayMs, true);
      return delayMs;
    },
    depth: () => ready.size(),
  };
}

/** First in, first out, each key once; taking one costs the same however many there are. */
function fifo(): { push(key: string): void; shift(): string | undefined; size(): number } {
  const waiting = new Set<string>();
  let keys: string[] = [];
  let head = 0;
  return {
    push(key) {
      if (waiting.has(key)) return;
      if (waiting.size >= QUEUE_MAX_KEYS) {
        throw new FksError("Unavailable", `more than ${QUEUE_MAX_KEYS} keys wait for work`);
      }
      waiting.add(key);
      keys.push(key);
    },
    shift() {
      const key = keys[head];
      if (key === undefined) return undefined;
      head += 1;
      waiting.delete(key);
      if (head > 1024 && head * 2 > keys.length) {
        keys = keys.slice(head);
        head = 0;
      }
      return key;
    },
    size: () => waiting.size,
  };
}
