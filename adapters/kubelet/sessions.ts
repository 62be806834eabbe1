import type { Clock } from "#core/ports/clock.ts";
import type { SessionScope } from "./remote-streams.ts";

/** As the kubelet's default: a shell that was left open overnight ends. */
const IDLE_TIMEOUT_MS = 4 * 60 * 60 * 1_000;
/** Each session costs a socket here and one towards its Machine. */
const SESSIONS_MAX = 1_024;

export interface Session extends SessionScope {
  end(): void;
}

export interface Sessions {
  /** `undefined` when there are as many as the node can bear. */
  open(): Session | undefined;
  count(): number;
}

interface SessionsDeps {
  readonly clock: Clock;
  readonly max?: number;
}

/** Counts the sessions that stay open (exec, port-forward, followed logs) and ends the idle ones. */
export function boundedSessions(deps: SessionsDeps, signal: AbortSignal): Sessions {
  const { clock, max = SESSIONS_MAX } = deps;
  let count = 0;

  return {
    count: () => count,
    open() {
      if (count >= max) return undefined;
      count += 1;
      const ended = new AbortController();
      const stop = (): void => ended.abort(signal.reason);
      signal.addEventListener("abort", stop, { once: true });
      if (signal.aborted) stop();
      let activeAt = clock.now();

      const watch = (delayMs: number): void =>
        clock.after(
          delayMs,
          () => {
            const leftMs = activeAt + IDLE_TIMEOUT_MS - clock.now();
            if (leftMs > 0) watch(leftMs);
            else ended.abort(new Error("the session was idle for four hours"));
          },
          ended.signal,
        );
      watch(IDLE_TIMEOUT_MS);

      let isOpen = true;
      return {
        signal: ended.signal,
        active: () => {
          activeAt = clock.now();
        },
        end() {
          if (!isOpen) return;
          isOpen = false;
          count -= 1;
          signal.removeEventListener("abort", stop);
          ended.abort(new Error("the session is over"));
        },
      };
    },
  };
}
