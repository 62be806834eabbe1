/**
 * What happens to a Machine as a whole, as functions from record to record: commands of its users,
 * and what follows by itself once its containers have changed.
 */
import type { ExitEvent, MachineConfig, MachineEvent } from "#core/fly/machine.ts";
import { containerAbandoned, withoutSignals } from "./container-life.ts";
import type { Ids } from "./ids.ts";
import { isPossible, type LifeEvent, nextState } from "./life.ts";
import { configOf, containersOf, policyOf } from "./policy.ts";
import {
  type ContainerEnd,
  type ContainerRecord,
  containerOf,
  iso,
  type MachineRecord,
  type Stopping,
} from "./record.ts";

const EVENTS_KEPT = 50;

/** The moment of a change: its time, and ids for the events it brings. */
export interface Moment {
  readonly nowMs: number;
  readonly ids: Pick<Ids, "ulid">;
}

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

type NewEvent = Omit<MachineEvent, "id" | "timestamp">;

export function withEvent(record: MachineRecord, event: NewEvent, moment: Moment): MachineRecord {
  const entry: MachineEvent = { id: moment.ids.ulid(), ...event, timestamp: moment.nowMs };
  return { ...record, events: [entry, ...record.events].slice(0, EVENTS_KEPT) };
}

/** Containers as the config wants them, before their next start; counts of known names go on. */
function freshContainers(
  config: MachineConfig,
  previous: readonly ContainerRecord[],
): readonly ContainerRecord[] {
  const wanted = containersOf(config);
  return wanted.map(({ name, image, depends_on = [] }) => {
    const known = previous.find((other) => other.name === name);
    const waitsForInit = depends_on.some(({ condition }) => condition === "exited_successfully");
    const fresh: ContainerRecord = {
      name,
      image,
      phase: "pending",
      attempt: 0,
      restartCount: 0,
      imageID: "",
      containerID: "",
      shown: { waiting: { reason: waitsForInit ? "PodInitializing" : "ContainerCreating" } },
      hasStarted: false,
      notBeforeMs: 0,
      crashBackOffMs: 0,
      failBackOffMs: 0,
      retries: 0,
      unreleased: [],
    };
    return known?.exit === undefined ? fresh : continued(fresh, known);
  });
}

function continued(fresh: ContainerRecord, known: ContainerRecord): ContainerRecord {
  const { exit, attempt, restartCount, containerID, imageID, unreleased } = known;
  const lastState = known.shown.terminated === undefined ? known.lastState : known.shown;
  return {
    ...fresh,
    attempt,
    restartCount,
    containerID,
    imageID,
    unreleased,
    ...(exit === undefined ? {} : { exit }),
    ...(lastState === undefined ? {} : { lastState }),
  };
}

/** Asks for a start; the record as it is when it runs already. */
export function startAsked(record: MachineRecord, moment: Moment): MachineRecord {
  if (!isPossible(record.state, "start") || record.state === "created") return record;
  const asked = withEvent(record, { type: "start", status: "starting", source: "user" }, moment);
  return launched(asked, "start");
}

/** A new Machine leaves `created`: towards its start, or to rest when it is not to be launched. */
export function launchedFirst(record: MachineRecord): MachineRecord {
  const state = nextState(record.state, record.launch ? "start" : "park");
  return { ...record, state };
}

function launched(record: MachineRecord, event: LifeEvent): MachineRecord {
  const { stopping: _stopping, ...rest } = record;
  const containers = freshContainers(record.config, record.containers);
  return { ...rest, state: nextState(record.state, event), containers };
}

export interface StopAsked {
  readonly signal?: string;
  readonly timeoutMs?: number;
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
  const updated: MachineRecord = {
    ...withEvent(record, event, moment),
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

/** What follows by itself from what the containers do, until nothing follows any more. */
export function settled(record: MachineRecord, moment: Moment): MachineRecord {
  const next = followUp(record, moment);
  return next === record ? record : settled(next, moment);
}

function followUp(record: MachineRecord, moment: Moment): MachineRecord {
  const { state, stopping } = record;
  const isActive = record.containers.some(
    ({ phase }) => phase === "starting" || phase === "running",
  );
  if (stopping !== undefined && isPossible(state, "ended") && state !== "starting") {
    return isActive ? record : endedOnRequest(record, stopping, moment);
  }
  if (state === "starting" && isReady(record)) {
    const ready = { ...record, state: nextState(state, "ready") };
    return withEvent(ready, { type: "start", status: "started", source: "flyd" }, moment);
  }
  if (state !== "started") return record;
  if (isRelaunching(record)) {
    const exited = withExit(record, { restarting: true }, moment);
    return { ...exited, state: nextState(state, "relaunch") };
  }
  if (record.containers.length > 0 && record.containers.every((c) => hasEnded(record, c))) {
    const stopped = { ...withExit(record, {}, moment), state: nextState(state, "ended") };
    return record.config.auto_destroy === true ? destroyAsked(stopped, moment) : stopped;
  }
  return record;
}

function endedOnRequest(record: MachineRecord, asked: Stopping, moment: Moment): MachineRecord {
  const told = withExit(record, { requested_stop: true }, moment);
  if (asked.to === "starting") return launched(told, "ended");
  const { stopping: _stopping, ...rest } = told;
  const containers = told.containers.map(withoutSignals);
  const stopped: MachineRecord = { ...rest, containers, state: "stopped" };
  const isReplaced = record.state === "replacing";
  return isReplaced
    ? { ...stopped, containers: freshContainers(record.config, record.containers) }
    : stopped;
}

/** Kubernetes starts containers one by one, so a Pod's Machine is ready with its network. */
function isReady(record: MachineRecord): boolean {
  if (record.networkReadyMs === undefined) return false;
  if (policyOf(record.config).awaitsBundle) return true;
  return record.containers.every(
    (container) =>
      container.phase === "running" ||
      container.phase === "done" ||
      (configOf(record, container.name)?.depends_on ?? []).length > 0,
  );
}

/** Its only process ended and is started again by the restart policy: to Fly that is a new start. */
function isRelaunching(record: MachineRecord): boolean {
  const [only, ...others] = record.containers;
  const isPlain = !policyOf(record.config).awaitsBundle;
  return isPlain && others.length === 0 && only?.phase === "pending" && only.exit !== undefined;
}

/** Ended for good: also what waits for a success that will never come. */
export function hasEnded(record: MachineRecord, container: ContainerRecord): boolean {
  if (container.phase === "done") return true;
  if (container.phase !== "pending" || container.hasStarted) return false;
  return (configOf(record, container.name)?.depends_on ?? []).some(({ name, condition }) => {
    const other = containerOf(record, name);
    if (other === undefined || other.name === container.name) return false;
    if (!hasEnded(record, other)) return false;
    return condition === "exited_successfully" ? other.exit?.exitCode !== 0 : !other.hasStarted;
  });
}

interface ExitFlags {
  readonly requested_stop?: boolean;
  readonly restarting?: boolean;
}

function withExit(record: MachineRecord, flags: ExitFlags, moment: Moment): MachineRecord {
  const ended = record.containers.filter(({ exit }) => exit !== undefined);
  const main = ended.find(({ exit }) => exit?.exitCode !== 0) ?? ended[0];
  const none: ContainerEnd = { exitCode: 0, oomKilled: false, atMs: moment.nowMs };
  const exit_event = exitEventFor(main?.exit ?? none, flags);
  const request = { exit_event, restart_count: main?.restartCount ?? 0 };
  return withEvent(record, { type: "exit", status: "stopped", source: "flyd", request }, moment);
}

function exitEventFor(exit: ContainerEnd, flags: ExitFlags): ExitEvent {
  return {
    exit_code: exit.exitCode,
    guest_exit_code: exit.signal === undefined ? exit.exitCode : 0,
    guest_signal: exit.signal ?? -1,
    signal: exit.signal ?? -1,
    oom_killed: exit.oomKilled,
    requested_stop: flags.requested_stop ?? false,
    restarting: flags.restarting ?? false,
    exited_at: iso(exit.atMs),
    error: "",
    guest_error: "",
  };
}
