/**
 * Keeps the Machines: holds their records, writes every change before anyone hears of it, and finds
 * again at the start what ran before.
 */
import type { Changes } from "./changes.ts";
import { endFound } from "./container-life.ts";
import { adoptMachine, endsOf, type SpokenEnd } from "./ends.ts";
import { machineNotFound } from "./errors.ts";
import type { Ids } from "./ids.ts";
import { prober } from "./probes/prober.ts";
import type { MachineRecord } from "./record.ts";
import type { ContainerExit, FoundContainer } from "./runtime/runtime.ts";
import { settled } from "./settled.ts";
import { machineSlots, type Slot } from "./slot.ts";
import type { Store } from "./store.ts";
import type { Change, Parts } from "./work.ts";
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
  const { store, runtime, bundles, addresses, changes, clock, ids, log } = deps;
  const slots = machineSlots();
  const whole = new AbortController();
  const worker = machineWorker(deps, changeSlot, whole.signal);
  const ends = endsOf(deps, whole.signal);
  const probes = prober(
    {
      ...deps,
      get: (id) => slots.get(id)?.record,
      change: (id, how) => changeSlot(slotOf(id), how),
    },
    whole.signal,
  );

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
      probes.look(stamped);
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

  const insist = (failure: string, work: () => void): void =>
    insistOn(failure, work, { clock, log, signal: whole.signal });

  /** An end is written once it is known what the container had to say. */
  function exited(exit: ContainerExit): void {
    const spoken = ends.withWords(exit);
    if (spoken instanceof Promise) void spoken.then(endLater);
    else endLater(spoken);
  }

  function endLater(end: SpokenEnd): void {
    insist("end of a container not written", () => {
      const slot = slots.get(end.id.machineId);
      if (slot === undefined || whole.signal.aborted) return;
      const conduct = bundles.conducts(end.id.machineId).get(end.id.name);
      changeSlot(slot, (record) => endFound(record, end, conduct));
    });
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
      const record = await adoptMachine({ ...deps, ends }, slot, found.get(slot.record.id) ?? []);
      changeSlot(slot, () => record);
      probes.look(slot.record);
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

interface Insistence extends Pick<Parts, "clock" | "log"> {
  readonly signal: AbortSignal;
}

/** Does what nobody would do again: what cannot be written now is written later. */
function insistOn(failure: string, work: () => void, how: Insistence): void {
  const { clock, log, signal } = how;
  try {
    work();
  } catch (err) {
    log.error(failure, { err, retry_in_ms: RETRY_MS });
    clock.after(RETRY_MS, () => insistOn(failure, work, how), signal);
  }
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
