/**
 * What happens to a Machine as a whole, as functions from record to record: what its users ask of
 * it, and what came of the steps. What follows from its containers is in `settled.ts`.
 */
import type { MachineConfig } from "#core/fly/machine.ts";
import type { Bundle, MachineEndRequest } from "#core/fly/machine-protocol.ts";
import { containerAbandoned } from "./container-ending.ts";
import { freshContainer, freshContainers } from "./fresh-containers.ts";
import { isPossible, type LifeEvent, nextState } from "./life.ts";
import { type Moment, type NewEvent, withEvent } from "./machine-events.ts";
import type { AddedRecord, ContainerRecord, MachineRecord, Stopping } from "./record.ts";
import { roleOf } from "./roles.ts";

export interface NewMachine {
  readonly id: string;
  readonly app: string;
  readonly name: string;
  readonly region: string;
  readonly serial: number;
  readonly config: MachineConfig;
  readonly launch: boolean;
  readonly cordoned: boolean;
}

export function machineFor(asked: NewMachine, moment: Moment): MachineRecord {
  const { nowMs, ids } = moment;
  const record: MachineRecord = {
    ...asked,
    createdMs: nowMs,
    updatedMs: nowMs,
    revision: 1,
    state: "created",
    instanceId: ids.ulid(),
    containers: freshContainers(asked.config, []),
    attempts: {},
    events: [],
    containerEvents: [],
  };
  const pending = withEvent(record, { type: "launch", status: "pending", source: "flyd" }, moment);
  return withEvent(pending, { type: "launch", status: "created", source: "user" }, moment);
}

/** A new Machine leaves `created`: towards its start, or to rest when it is not to be launched. */
export function launchedFirst(record: MachineRecord): MachineRecord {
  const state = nextState(record.state, record.launch ? "start" : "park");
  return { ...record, state };
}

/** Asks for a start; the record as it is when it runs already. */
export function startAsked(record: MachineRecord, moment: Moment): MachineRecord {
  if (!isPossible(record.state, "start") || record.state === "created") return record;
  const asked = withEvent(record, { type: "start", status: "starting", source: "user" }, moment);
  return launched(asked, "start");
}

/** Its containers start anew, and whatever stop was under way is over. */
export function launched(record: MachineRecord, event: LifeEvent): MachineRecord {
  const { stopping: _stopping, ended: _ended, ...rest } = record;
  const added = record.containers.filter(({ name }) => roleOf(record, name) === "added");
  const containers = [...freshContainers(record.config, record.containers), ...added];
  return { ...rest, state: nextState(record.state, event), containers };
}

export interface StopAsked {
  readonly signal?: string;
  readonly timeoutMs?: number;
}

/** One more container for a Machine that runs: it is started once, whatever it waits for else. */
export function containerAdded(record: MachineRecord, added: AddedRecord): MachineRecord {
  return {
    ...record,
    added: [...(record.added ?? []), added],
    containers: [...record.containers, freshContainer(added.name, added.image)],
  };
}

/** Asks for a stop; asked again it can only become quicker. */
export function stopAsked(record: MachineRecord, asked: StopAsked, moment: Moment): MachineRecord {
  if (record.state === "stopping") return hurried(record, asked, moment);
  if (!isPossible(record.state, "stop")) return record;
  const event: NewEvent = {
    type: "stop",
    status: "stopping",
    source: "user",
    request: { reason: "" },
  };
  return ending(withEvent(record, event, moment), "stop", { to: "stopped", ...asked }, moment);
}

function hurried(record: MachineRecord, asked: StopAsked, { nowMs }: Moment): MachineRecord {
  const { stopping } = record;
  if (stopping === undefined || asked.timeoutMs === undefined) return record;
  const leftMs = asked.timeoutMs + nowMs - stopping.sinceMs;
  if (stopping.timeoutMs !== undefined && stopping.timeoutMs <= leftMs) return record;
  return { ...record, stopping: { ...stopping, timeoutMs: leftMs } };
}

/** Asks for a restart: the containers end and start again. */
export function restartAsked(
  record: MachineRecord,
  asked: StopAsked,
  moment: Moment,
): MachineRecord {
  const event: NewEvent = { type: "restart", status: "restarting", source: "user" };
  const told = withEvent(record, event, moment);
  if (nextState(record.state, "restart") === "starting") return launched(told, "restart");
  if (!isPossible(record.state, "restart")) return record;
  return ending(told, "restart", { to: "starting", ...asked }, moment);
}

/** A new config with a new version; what ran is ended and started anew, what rested goes on resting. */
export function configReplaced(
  record: MachineRecord,
  wanted: { readonly config: MachineConfig; readonly launch: boolean },
  moment: Moment,
): MachineRecord {
  const event: NewEvent = { type: "update", status: "replacing", source: "user" };
  const { added: _added, ...rest } = withEvent(record, event, moment);
  const updated: MachineRecord = {
    ...rest,
    config: wanted.config,
    instanceId: moment.ids.ulid(),
  };
  if (!isPossible(record.state, "replace")) {
    const containers = freshContainers(wanted.config, record.containers);
    return record.state === "stopping" ? updated : { ...updated, containers };
  }
  const to = wanted.launch ? "starting" : "stopped";
  return ending(updated, "replace", { to }, moment);
}

function ending(
  record: MachineRecord,
  event: LifeEvent,
  stopping: Omit<Stopping, "sinceMs">,
  { nowMs }: Moment,
): MachineRecord {
  return {
    ...record,
    state: nextState(record.state, event),
    stopping: { ...stopping, sinceMs: nowMs },
    containers: record.containers.map(containerAbandoned),
  };
}

/** Nothing is left to live for: whatever still runs is stopped, with its grace. */
export function endingByItself(record: MachineRecord, moment: Moment): MachineRecord {
  return ending(record, "stop", { to: "stopped", byItself: true }, moment);
}

/** A bundle came: what could not run as it was is tried again, and the deadline is the bundle's. */
export function delivered(
  record: MachineRecord,
  { deadlineAt }: Pick<Bundle, "deadlineAt">,
): MachineRecord {
  const { deadlineMs: _deadline, ...rest } = record;
  const containers = record.containers.map((container): ContainerRecord => {
    if (container.phase !== "refused") return container;
    return { ...container, phase: "pending", notBeforeMs: 0 };
  });
  const deadline = deadlineAt === undefined ? {} : { deadlineMs: Date.parse(deadlineAt) };
  return { ...rest, ...deadline, containers };
}

const DEADLINE = {
  reason: "DeadlineExceeded",
  message: "Pod was active on the node longer than the specified deadline",
} as const;

/** Its time is over: whatever still runs is stopped, with its grace. */
export function deadlineExceeded(record: MachineRecord, moment: Moment): MachineRecord {
  return { ...endingByItself(record, moment), ended: DEADLINE };
}

/** Somebody decided that none of it may run any more, and says why. */
export function endAsked(
  record: MachineRecord,
  { reason, message, disruption, graceSeconds }: MachineEndRequest,
  moment: Moment,
): MachineRecord {
  const ended = { reason, message, ...(disruption === undefined ? {} : { disruption }) };
  return { ...stopAsked(record, { timeoutMs: graceSeconds * 1_000 }, moment), ended };
}

/** From here on there is no way back: all that is left of the Machine goes. */
export function destroyAsked(record: MachineRecord, moment: Moment): MachineRecord {
  if (!isPossible(record.state, "destroy")) return record;
  const source =
    record.state === "stopped" && record.config.auto_destroy === true ? "flyd" : "user";
  const event: NewEvent = { type: "destroy", status: "destroying", source };
  return {
    ...withEvent(record, event, moment),
    state: nextState(record.state, "destroy"),
    containers: record.containers.map(containerAbandoned),
  };
}

/** Nothing is left on the host. What still ran was killed with it. */
export function removed(record: MachineRecord, moment: Moment): MachineRecord {
  const event: NewEvent = { type: "destroy", status: "destroyed", source: "flyd" };
  const { lease: _lease, ...rest } = withEvent(record, event, moment);
  return { ...rest, state: nextState(record.state, "removed"), destroyedMs: moment.nowMs };
}

export function networkReady(record: MachineRecord, { nowMs }: Moment): MachineRecord {
  return record.networkReadyMs === undefined ? { ...record, networkReadyMs: nowMs } : record;
}

/** A plain Machine that could not start: what already runs in it is stopped. */
export function machineFailed(
  record: MachineRecord,
  reason: string,
  moment: Moment,
): MachineRecord {
  if (!isPossible(record.state, "fail")) return record;
  const event: NewEvent = { type: "start", status: "failed", source: "flyd", request: { reason } };
  const containers = record.containers.map(containerAbandoned);
  return {
    ...withEvent(record, event, moment),
    state: nextState(record.state, "fail"),
    stopping: { to: "stopped", sinceMs: moment.nowMs },
    containers,
  };
}
