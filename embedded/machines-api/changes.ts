import type { MachineRecord } from "./record.ts";

type Listener = (record: MachineRecord) => void;

/** Who wants to know when a Machine changed: one Machine's waiters, and readers of all of them. */
export interface Changes {
  tell(record: MachineRecord): void;
  /** Of one Machine, or of all without an id. Returns what ends it. */
  listen(id: string | undefined, listener: Listener): () => void;
}

export function changes(): Changes {
  const all = new Set<Listener>();
  const byId = new Map<string, Set<Listener>>();
  return {
    tell(record) {
      for (const listener of all) listener(record);
      for (const listener of byId.get(record.id) ?? []) listener(record);
    },
    listen(id, listener) {
      const group = id === undefined ? all : (byId.get(id) ?? new Set());
      if (id !== undefined) byId.set(id, group);
      group.add(listener);
      return () => {
        group.delete(listener);
        if (id !== undefined && group.size === 0) byId.delete(id);
      };
    },
  };
}
