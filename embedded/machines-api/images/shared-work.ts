interface Running<T> {
  readonly result: Promise<T>;
  readonly controller: AbortController;
  callers: number;
}

/**
 * Lets callers that want the same thing at the same time share one piece of work. It is aborted
 * when the last of them has gone, and not before.
 */
export function sharedWork<T>(): (
  key: string,
  work: (signal: AbortSignal) => Promise<T>,
  signal: AbortSignal,
) => Promise<T> {
  const running = new Map<string, Running<T>>();

  function start(key: string, work: (signal: AbortSignal) => Promise<T>): Running<T> {
    const controller = new AbortController();
    const result = work(controller.signal).finally(() => {
      if (running.get(key) === one) running.delete(key);
    });
    const one: Running<T> = { result, controller, callers: 0 };
    running.set(key, one);
    return one;
  }

  return async (key, work, signal) => {
    signal.throwIfAborted();
    const one = running.get(key) ?? start(key, work);
    one.callers += 1;
    const { promise: left, reject: leave } = Promise.withResolvers<never>();
    const onAbort = (): void => leave(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      return await Promise.race([one.result, left]);
    } finally {
      signal.removeEventListener("abort", onAbort);
      one.callers -= 1;
      if (one.callers === 0) {
        if (running.get(key) === one) running.delete(key);
        one.controller.abort(new Error("nobody waits for it any more"));
        await one.result.catch(() => {});
      }
    }
  };
}
