import type { Clock } from "../ports/clock.ts";
import type { NodeHealth } from "./node.ts";

/** How long something may be away before the Nodes say so: a role that restarts is back sooner. */
const GRACE_MS = 20_000;

export interface HealthSource {
  /** `undefined` while there is nothing to say yet: what the Node said before stays. */
  current(): NodeHealth | undefined;
  onChange(listener: () => void): void;
}

export interface HealthTracker extends HealthSource {
  /** All is well. */
  ready(): void;
  /** Something needed is away. */
  lost(message: string): void;
}

/** Follows what the Nodes depend on. Short absences stay unseen, so that a restart flaps nothing. */
export function healthTracker(clock: Clock): HealthTracker {
  let health: NodeHealth | undefined;
  let lostSinceMs: number | undefined = clock.now();
  let reason = "the Machines API has not been reached yet";
  const listeners: (() => void)[] = [];

  const set = (next: NodeHealth): void => {
    if (JSON.stringify(next) === JSON.stringify(health)) return;
    health = next;
    for (const listener of listeners) listener();
  };

  return {
    current() {
      const isOverdue = lostSinceMs !== undefined && clock.now() - lostSinceMs >= GRACE_MS;
      if (isOverdue) health = { isReady: false, message: reason };
      return health;
    },
    onChange: (listener) => void listeners.push(listener),
    ready() {
      lostSinceMs = undefined;
      set({ isReady: true });
    },
    lost(message) {
      lostSinceMs ??= clock.now();
      reason = message;
    },
  };
}
