/**
 * What happens to one container of a Machine, as functions from record to record. They decide
 * phases, what is shown, restarts and the kubelet's events; nothing here waits or acts.
 */
import type { ContainerState } from "#core/fly/machine-protocol.ts";
import { goDuration } from "./back-off.ts";
import type { Conduct } from "./conduct.ts";
import { withoutSignals } from "./container-ending.ts";
import { normal, told, warning } from "./container-events.ts";
import { crashBackOffAfter, hasRunLong, podOf, policyOf, restartFor } from "./policy.ts";
import {
  type ContainerEnd,
  type ContainerRecord,
  containerOf,
  isActive,
  iso,
  lastStateOf,
  type MachineRecord,
  withContainer,
} from "./record.ts";
import type { ContainerId } from "./runtime/runtime.ts";

/** The written intent to start: the attempt is fixed, so that a later process recognises it. */
export function containerStarting(
  record: MachineRecord,
  name: string,
  nowMs: number,
): MachineRecord {
  const container = containerOf(record, name);
  if (container === undefined) return record;
  const attempt = record.attempts[name] ?? 0;
  const isRestart = container.exit !== undefined;
  const lastState = lastStateOf(container);
  const { next: _next, exit: _exit, ...rest } = container;
  const changed = withContainer(record, {
    ...rest,
    ...(lastState === undefined ? {} : { lastState }),
    phase: "starting",
    attempt,
    containerID: `fks://${record.id}-${name}-${attempt}`,
    restartCount: container.restartCount + (isRestart ? 1 : 0),
    retries: container.retries + (isRestart ? 1 : 0),
    crashBackOffMs: isRestart
      ? crashBackOffAfter(policyOf(record.config), container)
      : container.crashBackOffMs,
  });
  const counted = { ...changed, attempts: { ...record.attempts, [name]: attempt + 1 } };
  return told(counted, name, normal("Created", `Created container: ${name}`), nowMs);
}

/** Its process runs; the container counts as running only once its hook is done. */
export function containerLaunched(
  record: MachineRecord,
  name: string,
  launchedMs: number,
): MachineRecord {
  const container = containerOf(record, name);
  if (container?.phase !== "starting" || container.launchedMs !== undefined) return record;
  const changed = withContainer(record, { ...container, launchedMs });
  return told(changed, name, normal("Started", `Started container ${name}`), launchedMs);
}

export function containerStarted(
  record: MachineRecord,
  name: string,
  startedMs: number,
  { probes }: Conduct = {},
): MachineRecord {
  const launched = containerLaunched(record, name, startedMs);
  const container = containerOf(launched, name);
  if (container?.phase !== "starting") return record;
  const isStarted = probes?.startup === undefined;
  const { launchedMs: _launched, ...rest } = container;
  return withContainer(launched, {
    ...rest,
    phase: "running",
    hasStarted: container.hasStarted || isStarted,
    isStarted,
    isReady: isStarted && probes?.readiness === undefined,
    startedMs,
    failBackOffMs: 0,
    shown: { running: { startedAt: iso(startedMs) } },
  });
}

/** How a container ended, and what it had to say. */
export interface Ended extends ContainerEnd {
  /** Absent: what the exit says. */
  readonly reason?: string;
  readonly message?: string;
}

/** A container ended: its exit is told, and it waits for its next start or is done for good. */
export function containerExited(
  record: MachineRecord,
  name: string,
  ended: Ended,
  conduct: Conduct = {},
): MachineRecord {
  const container = containerOf(record, name);
  if (container === undefined) return record;
  const { reason, message, ...end } = ended;
  const shown: ContainerState = {
    terminated: {
      exitCode: end.exitCode,
      ...(end.signal === undefined ? {} : { signal: end.signal }),
      reason: reason ?? reasonOf(end),
      ...(message === undefined || message === "" ? {} : { message }),
      startedAt: iso(container.startedMs ?? container.launchedMs ?? end.atMs),
      finishedAt: iso(end.atMs),
      containerID: container.containerID,
    },
  };
  const { ending } = container;
  const { launchedMs: _launched, ...rest } = withoutSignals(container);
  const done: ContainerRecord = {
    ...rest,
    exit: end,
    shown,
    phase: "done",
    isStarted: false,
    isReady: false,
    unreleased: [...container.unreleased, container.attempt],
  };
  if (record.stopping !== undefined || record.state === "destroying") {
    return withContainer(record, done);
  }
  const restart = restartFor(record, container, end, conduct);
  if (!restart.again) return withContainer(record, done);
  const startsOver = hasRunLong(policyOf(record.config).crash, container, end);
  const again: ContainerRecord = {
    ...done,
    phase: "pending",
    notBeforeMs: end.atMs + restart.delayMs,
    ...(startsOver ? { crashBackOffMs: 0, retries: 0 } : {}),
  };
  const waiting =
    restart.delayMs === 0
      ? withContainer(record, again)
      : backingOff(record, again, shown, restart.delayMs, end.atMs);
  if (ending?.by !== "postStart") return waiting;
  return showingFirst(waiting, name, "PostStartHookError", ending.message, end.atMs);
}

/** For how long `ErrImagePull` and its like are shown before the back-off is. */
export const FAILURE_SHOWN_MS = 1_000;

/** Shows for a moment why a container waits, and then what it shows now. */
export function showingFirst(
  record: MachineRecord,
  name: string,
  reason: string,
  message: string | undefined,
  nowMs: number,
): MachineRecord {
  const container = containerOf(record, name);
  if (container === undefined) return record;
  const lastState = lastStateOf(container);
  const { waiting } = container.shown;
  return withContainer(record, {
    ...container,
    ...(lastState === undefined ? {} : { lastState }),
    shown: { waiting: { reason, ...(message === undefined ? {} : { message }) } },
    next: {
      atMs: nowMs + FAILURE_SHOWN_MS,
      reason: waiting?.reason ?? reason,
      message: waiting?.message ?? message ?? "",
    },
  });
}

function reasonOf(end: ContainerEnd): string {
  if (end.oomKilled) return "OOMKilled";
  return end.exitCode === 0 ? "Completed" : "Error";
}

function backingOff(
  record: MachineRecord,
  container: ContainerRecord,
  lastState: ContainerState,
  delayMs: number,
  nowMs: number,
): MachineRecord {
  const { name } = container;
  const wait = `back-off ${goDuration(delayMs)} restarting failed container=${name} pod=${podOf(record)}`;
  const changed = withContainer(record, {
    ...container,
    shown: { waiting: { reason: "CrashLoopBackOff", message: wait } },
    lastState,
  });
  const text = `Back-off restarting failed container ${name} in pod ${podOf(record)}`;
  return told(changed, name, warning("BackOff", text), nowMs);
}

/** The end of an attempt, whoever told it; one that is known or long past changes nothing. */
export function endFound(
  record: MachineRecord,
  { id, ...end }: Ended & { readonly id: ContainerId },
  conduct: Conduct | undefined,
): MachineRecord {
  const container = containerOf(record, id.name);
  if (container?.attempt !== id.attempt || !isActive(container)) return record;
  // The end may be known before the start was reported.
  return containerExited(containerStarted(record, id.name, end.atMs), id.name, end, conduct);
}
