/**
 * What happens to one container of a Machine, as functions from record to record. They decide
 * phases, what is shown, restarts and the kubelet's events; nothing here waits or acts.
 */
import type { ContainerState } from "#core/fly/machine-protocol.ts";
import { goDuration } from "./back-off.ts";
import { normal, told, warning } from "./container-events.ts";
import { crashBackOffAfter, hasRunLong, policyOf, restartFor } from "./policy.ts";
import {
  type ContainerEnd,
  type ContainerRecord,
  containerOf,
  iso,
  lastStateOf,
  type MachineRecord,
  withContainer,
} from "./record.ts";

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

export function containerStarted(
  record: MachineRecord,
  name: string,
  startedMs: number,
): MachineRecord {
  const container = containerOf(record, name);
  if (container?.phase !== "starting") return record;
  const changed = withContainer(record, {
    ...container,
    phase: "running",
    hasStarted: true,
    isStarted: true,
    isReady: true,
    startedMs,
    failBackOffMs: 0,
    shown: { running: { startedAt: iso(startedMs) } },
  });
  return told(changed, name, normal("Started", `Started container ${name}`), startedMs);
}

/** A container ended: its exit is told, and it waits for its next start or is done for good. */
export function containerExited(
  record: MachineRecord,
  name: string,
  end: ContainerEnd,
  reason = reasonOf(end),
  message?: string,
): MachineRecord {
  const container = containerOf(record, name);
  if (container === undefined) return record;
  const shown: ContainerState = {
    terminated: {
      exitCode: end.exitCode,
      ...(end.signal === undefined ? {} : { signal: end.signal }),
      reason,
      ...(message === undefined ? {} : { message }),
      startedAt: iso(container.startedMs ?? end.atMs),
      finishedAt: iso(end.atMs),
      containerID: container.containerID,
    },
  };
  const ended: ContainerRecord = {
    ...withoutSignals(container),
    exit: end,
    shown,
    phase: "done",
    isStarted: false,
    isReady: false,
    unreleased: [...container.unreleased, container.attempt],
  };
  if (record.stopping !== undefined || record.state === "destroying") {
    return withContainer(record, ended);
  }
  const restart = restartFor(record, container, end);
  if (!restart.again) return withContainer(record, ended);
  const startsOver = hasRunLong(policyOf(record.config).crash, container, end);
  const again: ContainerRecord = {
    ...ended,
    phase: "pending",
    notBeforeMs: end.atMs + restart.delayMs,
    ...(startsOver ? { crashBackOffMs: 0, retries: 0 } : {}),
  };
  if (restart.delayMs === 0) return withContainer(record, again);
  return backingOff(record, again, shown, restart.delayMs, end.atMs);
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

/** `name_namespace(uid)` as the kubelet writes it; a Machine that is no Pod's goes by its own name. */
function podOf(record: MachineRecord): string {
  const { fks_pod, fks_namespace, fks_pod_uid } = record.config.metadata ?? {};
  if (fks_pod === undefined || fks_namespace === undefined || fks_pod_uid === undefined) {
    return `${record.name}_${record.app}(${record.id})`;
  }
  return `${fks_pod}_${fks_namespace}(${fks_pod_uid})`;
}

/** The stop signal or SIGKILL is about to be sent. */
export function containerSignalled(
  record: MachineRecord,
  name: string,
  isKill: boolean,
  nowMs: number,
): MachineRecord {
  const container = containerOf(record, name);
  if (container === undefined) return record;
  const isFirst = container.signalledMs === undefined;
  const changed = withContainer(record, {
    ...container,
    signalledMs: container.signalledMs ?? nowMs,
    ...(isKill ? { killed: true } : {}),
  });
  return isFirst
    ? told(changed, name, normal("Killing", `Stopping container ${name}`), nowMs)
    : changed;
}

/** What will not be started any more is done; it shows its last end, if it had one. */
export function containerAbandoned(container: ContainerRecord): ContainerRecord {
  if (container.phase !== "pending" && container.phase !== "refused") return container;
  const { next: _next, ...rest } = container;
  const isBetweenRuns = container.shown.waiting !== undefined && container.exit !== undefined;
  if (!isBetweenRuns || container.lastState === undefined) return { ...rest, phase: "done" };
  return { ...rest, phase: "done", shown: container.lastState };
}

export function withoutSignals(container: ContainerRecord): ContainerRecord {
  const { signalledMs: _signalled, killed: _killed, ...rest } = container;
  return rest;
}
