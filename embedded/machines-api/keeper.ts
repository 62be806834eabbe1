/**
 * Keeps the Machines: holds their records, writes every change before anyone hears of it, and finds
 * again at the start what ran before.
 */
import { adoptionFor } from "./adopt.ts";
import type { Changes } from "./changes.ts";
import { containerExited, containerStarted } from "./container-life.ts";
import { machineNotFound } from "./errors.ts";
import type { Ids } from "./ids.ts";
import { containerOf, type MachineRecord } from "./record.ts";
import type { ContainerExit, FoundContainer } from "./runtime/runtime.ts";
import { settled } from "./settled.ts";
import { machineSlots, type Slot } from "./slot.ts";
import type { Change, Parts } from "./steps.ts";
import type { Store } from "./store.ts";
import { machineWorker } from "./worker.ts";

/** A destroyed Machine stays readable: clients ask for its last exit. */
const DESTROYED_KEPT_MS = 60_000;

const RETRY_MS = 1_000;

export interface KeeperDeps extends Parts {
  readonly store: Store;
  readonly changes: Changes;
  readonly ids: Ids;
}

export interface Keeper {
  get(id: string): MachineRecord | undefined;
  all(): IterableIterator<MachineRecord>;
  inApp(app: string): readonly MachineRecord[];
  /** The Machine that holds this name in its App; destroyed ones hold none. */
  named(app: string, name: string): MachineRecord | undefined;
  /** Takes in a new Machine and starts to work on it. */
  add(record: MachineRecord): void;
  /** Writes a change and works on what follows from it. Throws when there is no such Machine. */
  change(id: string, how: Change): MachineRecord;
  /** Has the network's files made anew before the next start: the bundle brought lines for them. */
  prepareAgain(id: string): void;
  /** Finds again what ran before this process did. Called once, before anything else. */
  adopt(signal: AbortSignal): Promise<void>;
  /** Takes no new step and waits for the ones under way. Containers run on. */
  stop(): Promise<void>;
}

export function machineKeeper(deps: KeeperDeps): Keeper {
  const { store, runtime, addresses, changes, clock, ids, log } = deps;
  const slots = machineSlots();
  const whole = new AbortController();
  const worker = machineWorker(deps, changeSlot, whole.signal);

  function slotOf(id: string): Slot {
    const slot = slots.get(id);
    if (slot === undefined) throw machineNotFound();
    return slot;
  }

  function changeSlot(slot: Slot, how: Change): void {
    const moment = { nowMs: clock.now(), ids };
    const next = settled(how(slot.record, moment), moment);
    if (next !== slot.record) {
      const revision = slot.record.revision + 1;
      const stamped = { ...next, revision, updatedMs: moment.nowMs };
      store.save(stamped, slot.record);
      slot.record = stamped;
      if (stamped.state === "destroyed") forgetLater(stamped);
      worker.schedule(slot);
      changes.tell(stamped);
    } else worker.schedule(slot);
  }

  function forgetLater(record: MachineRecord): void {
    const { destroyedMs = 0 } = record;
    addresses.free(record.serial);
    slots.freeName(record);
    const leftMs = Math.max(0, destroyedMs + DESTROYED_KEPT_MS - clock.now());
    const forget = (): void => {
      store.forget(record.id);
      slots.remove(record);
    };
    clock.after(leftMs, () => insist("destroyed machine not forgotten", forget), whole.signal);
  }

  /** Does what nobody would do again: what cannot be written now is written later. */
  function insist(failure: string, work: () => void): void {
    try {
      work();
    } catch (err) {
      log.error(failure, { err, retry_in_ms: RETRY_MS });
      clock.after(RETRY_MS, () => insist(failure, work), whole.signal);
    }
  }

  function exited({ id, ...end }: ContainerExit): void {
    const slot = slots.get(id.machineId);
    if (slot === undefined || whole.signal.aborted) return;
    changeSlot(slot, (record) => {
      const container = containerOf(record, id.name);
      if (container?.attempt !== id.attempt) return record;
      if (container.phase !== "starting" && container.phase !== "running") return record;
      // The end may be known before the start was reported.
      return containerExited(containerStarted(record, id.name, end.atMs), id.name, end);
    });
  }

  async function adoptMachine(slot: Slot, found: readonly FoundContainer[]): Promise<void> {
    const { record, isRunning, strays } = adoptionFor(slot.record, found, clock.now());
    if (isRunning) slot.preparation = { wanted: 1, made: 1 };
    for (const id of strays) {
      await runtime.signal(id, "SIGKILL", whole.signal);
      await runtime.release(id, whole.signal);
    }
    changeSlot(slot, () => record);
  }

  async function adopt(signal: AbortSignal): Promise<void> {
    runtime.onExit((exit) => insist("end of a container not written", () => exited(exit)));
    for (const record of store.machines()) {
      slots.add(record);
      if (record.state === "destroyed") forgetLater(record);
      else addresses.hold(record.serial);
    }
    runtime.recall?.([...slots.all()].flatMap(runningContainers));
    const found = Map.groupBy(await runtime.list(signal), ({ id }) => id.machineId);
    for (const machineId of found.keys()) {
      const state = slots.get(machineId)?.record.state ?? "destroyed";
      if (state === "destroyed") await runtime.remove(machineId, signal);
    }
    for (const slot of slots.all()) {
      if (slot.record.state === "destroyed") continue;
      await adoptMachine(slot, found.get(slot.record.id) ?? []);
    }
  }

  return {
    get: (id) => slots.get(id)?.record,
    *all() {
      for (const { record } of slots.all()) yield record;
    },
    inApp: (app) => slots.inApp(app).map(({ record }) => record),
    named: (app, name) => slots.named(app, name)?.record,
    add(record) {
      store.save(record, undefined);
      changes.tell(record);
      worker.schedule(slots.add(record));
    },
    change(id, how) {
      const slot = slotOf(id);
      changeSlot(slot, how);
      return slot.record;
    },
    prepareAgain(id) {
      const slot = slotOf(id);
      slot.preparation = { ...slot.preparation, wanted: slot.preparation.wanted + 1 };
    },
    adopt,
    async stop() {
      whole.abort(new Error("the Machines API stops"));
      for (const { timer } of slots.all()) timer?.controller.abort();
      await worker.settle();
    },
  };
}

function runningContainers({ record }: Slot): readonly FoundContainer[] {
  return record.containers
    .filter(({ phase }) => phase === "running")
    .map(({ name, attempt, startedMs = 0 }) => ({
      id: { machineId: record.id, name, attempt },
      state: "running" as const,
      startedAtMs: startedMs,
    }));
}
