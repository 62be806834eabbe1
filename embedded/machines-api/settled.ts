import type { ExitEvent } from "#core/fly/machine.ts";
import { withoutSignals } from "./container-ending.ts";
import { freshContainers } from "./fresh-containers.ts";
import { isPossible, nextState } from "./life.ts";
import { type Moment, withEvent } from "./machine-events.ts";
import { destroyAsked, endingByItself, launched } from "./machine-life.ts";
import { configOf, policyOf } from "./policy.ts";
import {
  type ContainerEnd,
  type ContainerRecord,
  containerOf,
  isActive,
  iso,
  type MachineRecord,
  type Stopping,
} from "./record.ts";
import { roleOf } from "./roles.ts";

/** What follows by itself from what the containers do, until nothing follows any more. */
export function settled(record: MachineRecord, moment: Moment): MachineRecord {
  const next = followUp(record, moment);
  return next === record ? record : settled(next, moment);
}

function followUp(record: MachineRecord, moment: Moment): MachineRecord {
  const { state, stopping } = record;
  if (stopping !== undefined && isPossible(state, "ended") && state !== "starting") {
    return record.containers.some(isActive) ? record : endedOnRequest(record, stopping, moment);
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
  return isOver(record) ? endingByItself(record, moment) : record;
}

/** What the Machine lives for has ended for good, or an init container kept it from beginning. */
function isOver(record: MachineRecord): boolean {
  const { containers } = record;
  const isFailedInit = ({ name, phase, exit }: ContainerRecord): boolean =>
    phase === "done" && exit?.exitCode !== 0 && roleOf(record, name) === "init";
  if (containers.some(isFailedInit)) return true;
  const mains = containers.filter(({ name }) => roleOf(record, name) === "main");
  return mains.length > 0 && mains.every((container) => hasEnded(record, container));
}

function endedOnRequest(record: MachineRecord, asked: Stopping, moment: Moment): MachineRecord {
  const told = withExit(record, { requested_stop: asked.byItself !== true }, moment);
  if (asked.to === "starting") return launched(told, "ended");
  const { stopping: _stopping, ...rest } = told;
  const containers = told.containers.map(withoutSignals);
  const stopped: MachineRecord = { ...rest, containers, state: "stopped" };
  if (asked.byItself === true && record.config.auto_destroy === true) {
    return destroyAsked(stopped, moment);
  }
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
function hasEnded(record: MachineRecord, container: ContainerRecord): boolean {
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
