import type { Step } from "./plan-types.ts";
import type { MachineRecord } from "./record.ts";

/** One Machine in memory: its record, and what a new process would not know. */
export interface Slot {
  record: MachineRecord;
  readonly busy: Map<string, { readonly step: Step; readonly controller: AbortController }>;
  readonly retries: Map<string, { readonly atMs: number; readonly delayMs: number }>;
  /** Stop signals of the images, by container. */
  readonly imageSignals: Map<string, string>;
  /** Hooks that run, by container; aborting one ends the waiting for it. */
  readonly hooks: Map<string, AbortController>;
  /** How often the network was asked for, and which of these this process saw made: hosts may change. */
  preparation: { readonly wanted: number; readonly made: number };
  isScheduled: boolean;
  timer: { readonly atMs: number; readonly controller: AbortController } | undefined;
}

function slotFor(record: MachineRecord): Slot {
  return {
    record,
    busy: new Map(),
    retries: new Map(),
    imageSignals: new Map(),
    hooks: new Map(),
    preparation: { wanted: 1, made: 0 },
    isScheduled: false,
    timer: undefined,
  };
}

const nameKey = (app: string, name: string): string => `${app}/${name}`;

/** All Machines in memory, found by id, by App and by name. */
export interface Slots {
  get(id: string): Slot | undefined;
  /** The Machine that holds this name in its App; destroyed ones hold none. */
  named(app: string, name: string): Slot | undefined;
  inApp(app: string): readonly Slot[];
  all(): Iterable<Slot>;
  add(record: MachineRecord): Slot;
  /** Gives its name back, while it can still be read. */
  freeName(record: MachineRecord): void;
  remove(record: MachineRecord): void;
}

export function machineSlots(): Slots {
  const slots = new Map<string, Slot>();
  const apps = new Map<string, Map<string, Slot>>();
  const names = new Map<string, Slot>();
  return {
    get: (id) => slots.get(id),
    named: (app, name) => names.get(nameKey(app, name)),
    inApp: (app) => [...(apps.get(app)?.values() ?? [])],
    all: () => slots.values(),
    add(record) {
      const slot = slotFor(record);
      slots.set(record.id, slot);
      const app = apps.get(record.app) ?? new Map<string, Slot>();
      apps.set(record.app, app.set(record.id, slot));
      if (record.state !== "destroyed") names.set(nameKey(record.app, record.name), slot);
      return slot;
    },
    freeName({ id, app, name }) {
      if (names.get(nameKey(app, name))?.record.id === id) names.delete(nameKey(app, name));
    },
    remove({ id, app }) {
      slots.delete(id);
      const others = apps.get(app);
      others?.delete(id);
      if (others?.size === 0) apps.delete(app);
    },
  };
}
