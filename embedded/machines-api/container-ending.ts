/** How a container is brought to its end, as functions from record to record. Nothing here acts. */
import type { Handler } from "#core/fly/machine-protocol.ts";
import { normal, told, warning } from "./container-events.ts";
import { podOf } from "./policy.ts";
import { type ContainerRecord, containerOf, type MachineRecord, withContainer } from "./record.ts";

/** `PostStartHook failed`: what counts as running from now on is about to be ended. */
export function containerHookFailed(
  record: MachineRecord,
  name: string,
  { hook, failure }: { readonly hook: Handler; readonly failure: string },
  nowMs: number,
): MachineRecord {
  const container = containerOf(record, name);
  if (container?.phase !== "starting") return record;
  const what = hook.kind === "exec" ? `[${hook.command.join(" ")}]` : hook.kind;
  const message = `${hook.kind === "exec" ? "Exec" : "HTTP"} lifecycle hook (${what}) for Container "${name}" in Pod "${podOf(record)}" failed - error: ${failure}`;
  const { launchedMs, ...rest } = container;
  const running = withContainer(record, {
    ...rest,
    phase: "running",
    ...(launchedMs === undefined ? {} : { startedMs: launchedMs }),
    ending: { by: "postStart", killing: "FailedPostStartHook", message, sinceMs: nowMs },
  });
  return told(running, name, warning("FailedPostStartHook", "PostStartHook failed"), nowMs);
}

/** It is to have other resources, and must be started anew for that. */
export function containerOutgrown(
  record: MachineRecord,
  name: string,
  nowMs: number,
): MachineRecord {
  const container = containerOf(record, name);
  if (container?.phase !== "running" || container.ending !== undefined) return record;
  const words = `Container ${name} resize requires restart`;
  const ending = { by: "resize", killing: words, sinceMs: nowMs } as const;
  return withContainer(record, { ...container, ending });
}

/** Its hook is about to run. */
export function containerPreStopRuns(
  record: MachineRecord,
  name: string,
  nowMs: number,
): MachineRecord {
  const container = containerOf(record, name);
  if (container === undefined) return record;
  return killing(withContainer(record, { ...container, preStop: "runs" }), container, nowMs);
}

/** Its hook ended, or its time is over; a failure is told and changes nothing. */
export function containerPreStopDone(
  record: MachineRecord,
  name: string,
  hasFailed: boolean,
  nowMs: number,
): MachineRecord {
  const container = containerOf(record, name);
  if (container?.preStop !== "runs") return record;
  const changed = withContainer(record, { ...container, preStop: "done" });
  if (!hasFailed) return changed;
  return told(changed, name, warning("FailedPreStopHook", "PreStopHook failed"), nowMs);
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
  const changed = withContainer(record, {
    ...container,
    signalledMs: container.signalledMs ?? nowMs,
    ...(isKill ? { killed: true } : {}),
  });
  return killing(changed, container, nowMs);
}

/** Told with the first step towards the end. */
function killing(record: MachineRecord, before: ContainerRecord, nowMs: number): MachineRecord {
  if (before.signalledMs !== undefined || before.preStop !== undefined) return record;
  const { name, ending } = before;
  const message = ending?.killing ?? `Stopping container ${name}`;
  return told(record, name, normal("Killing", message), nowMs);
}

/** What will not be started any more is done; it shows its last end, if it had one. */
export function containerAbandoned(container: ContainerRecord): ContainerRecord {
  if (container.phase !== "pending" && container.phase !== "refused") return container;
  const { next: _next, ...rest } = container;
  const isBetweenRuns = container.shown.waiting !== undefined && container.exit !== undefined;
  if (!isBetweenRuns || container.lastState === undefined) return { ...rest, phase: "done" };
  return { ...rest, phase: "done", shown: container.lastState };
}

/** It is not being ended, or not any more. */
export function withoutSignals(container: ContainerRecord): ContainerRecord {
  const {
    ending: _ending,
    preStop: _preStop,
    signalledMs: _at,
    killed: _killed,
    ...rest
  } = container;
  return rest;
}

/** What was written down may not have been done: it is done again. */
export function signalledAnew(container: ContainerRecord): ContainerRecord {
  const { preStop, signalledMs: _at, killed: _killed, ...rest } = container;
  return preStop === "done" ? { ...rest, preStop } : rest;
}
