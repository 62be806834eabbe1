import type { ContainerEvent } from "#core/fly/machine-protocol.ts";
import { iso, type MachineRecord } from "./record.ts";

const EVENTS_KEPT = 50;

type Told = Pick<ContainerEvent, "type" | "reason" | "message">;

/** Adds an event in the kubelet's words; the oldest beyond fifty are forgotten. */
export function told(
  record: MachineRecord,
  container: string,
  event: Told,
  nowMs: number,
): MachineRecord {
  const seq = (record.containerEvents.at(-1)?.seq ?? 0) + 1;
  const entry: ContainerEvent = { seq, container, ...event, at: iso(nowMs) };
  return {
    ...record,
    containerEvents: [...record.containerEvents, entry].slice(-EVENTS_KEPT),
  };
}

export const normal = (reason: string, message: string): Told => ({
  type: "Normal",
  reason,
  message,
});
export const warning = (reason: string, message: string): Told => ({
  type: "Warning",
  reason,
  message,
});
