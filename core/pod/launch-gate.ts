/** How many launches may be under way at once. */
export interface LaunchRoom {
  /** In one namespace: an App's creates share one budget, and each waits for the one before. */
  readonly perNamespace: number;
  /** In all: fewer than there are workers, so that what runs already is looked at meanwhile. */
  readonly total: number;
}

/** Lets Pods wait for their launch without keeping a worker busy. */
export interface LaunchGate {
  /** False when there is no room: the key is touched once there is. Who gets in has to leave. */
  enter(namespace: string, key: string): boolean;
  leave(namespace: string): void;
}

export function launchGate(room: LaunchRoom, touch: (key: string) => void): LaunchGate {
  const inside = new Map<string, number>();
  /** Namespaces by key, first come first served. */
  const waiting = new Map<string, string>();
  let total = 0;

  const insideOf = (namespace: string): number => inside.get(namespace) ?? 0;
  const hasRoom = (namespace: string): boolean =>
    total < room.total && insideOf(namespace) < room.perNamespace;

  return {
    enter(namespace, key) {
      if (!hasRoom(namespace)) {
        waiting.set(key, namespace);
        return false;
      }
      waiting.delete(key);
      inside.set(namespace, insideOf(namespace) + 1);
      total += 1;
      return true;
    },
    leave(namespace) {
      const left = insideOf(namespace) - 1;
      if (left > 0) inside.set(namespace, left);
      else inside.delete(namespace);
      total -= 1;
      for (const [key, its] of waiting) {
        if (!hasRoom(its)) continue;
        waiting.delete(key);
        touch(key);
        return;
      }
    },
  };
}
