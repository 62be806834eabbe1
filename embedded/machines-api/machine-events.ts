import type { MachineEvent } from "#core/fly/machine.ts";
import type { Ids } from "./ids.ts";
import type { MachineRecord } from "./record.ts";

const EVENTS_KEPT = 50;

/** The moment of a change: its time, and ids for the events it brings. */
export interface Moment {
  readonly nowMs: number;
  readonly ids: Pick<Ids, "ulid">;
}

export type NewEvent = Omit<MachineEvent, "id" | "timestamp">;

/** Adds an event; the oldest beyond fifty are forgotten. */
export function withEvent(record: MachineRecord, event: NewEvent, moment: Moment): MachineRecord {
  const entry: MachineEvent = { id: moment.ids.ulid(), ...event, timestamp: moment.nowMs };
  return { ...record, events: [entry, ...record.events].slice(0, EVENTS_KEPT) };
}
