import type { Duplex } from "node:stream";
import type { Clock } from "#core/ports/clock.ts";

/** From connecting to a request, and from an answer to the next request. */
export const IDLE_TIMEOUT_MS = 60_000;
/** Anybody may connect before we know who it is; beyond this they are turned away. */
const CONNECTIONS_MAX = 4_096;

/** Every connection of a listener; the ones that have nothing to say are closed. */
export interface Connections {
  /** A new one, before its handshake. */
  add(connection: Duplex): void;
  /** A request is being answered. */
  busy(connection: Duplex): void;
  /** Nothing is being answered. */
  idle(connection: Duplex): void;
  destroyAll(): void;
}

/** Closes idle connections itself, because the HTTP server behind the hand-off has no timers. */
export function boundedConnections(clock: Clock, max = CONNECTIONS_MAX): Connections {
  const timers = new Map<Duplex, AbortController>();

  function restart(connection: Duplex): AbortController {
    timers.get(connection)?.abort();
    const timer = new AbortController();
    timers.set(connection, timer);
    return timer;
  }

  function idle(connection: Duplex): void {
    if (!timers.has(connection)) return;
    clock.after(IDLE_TIMEOUT_MS, () => connection.destroy(), restart(connection).signal);
  }

  return {
    idle,
    add(connection) {
      if (timers.size >= max) {
        connection.destroy();
        return;
      }
      restart(connection);
      connection.once("close", () => {
        timers.get(connection)?.abort();
        timers.delete(connection);
      });
      idle(connection);
    },
    busy(connection) {
      if (timers.has(connection)) restart(connection);
    },
    destroyAll() {
      for (const connection of timers.keys()) connection.destroy();
    },
  };
}
