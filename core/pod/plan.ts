import { AWAITS_KEY } from "../fly/machine-protocol.ts";
import type { Pod } from "../kube/pod.ts";
import { isFinal } from "./container-status.ts";
import type { Finding } from "./fields/check.ts";
import type { Translation } from "./machine-config.ts";
import type { Sighting } from "./machine-view.ts";
import { isTerminal } from "./phase.ts";
import type { Ending } from "./pod-status.ts";

/** The one effect that brings a Machine closer to what its Pod asks for. */
export type Step =
  | { readonly do: "nothing"; readonly recheckInMs?: number }
  | { readonly do: "refuse"; readonly refused: readonly Finding[] }
  | { readonly do: "launch"; readonly translation: Extract<Translation, { ok: true }> }
  /** No Machine is seen, and it matters: ask the Machines API. */
  | { readonly do: "prove" }
  | { readonly do: "deliver"; readonly machine: Sighting }
  | { readonly do: "refresh"; readonly machine: Sighting }
  | { readonly do: "start"; readonly machine: Sighting }
  | { readonly do: "stop"; readonly machine: Sighting; readonly byMs: number }
  | { readonly do: "destroy"; readonly machine: Sighting; readonly isFailed: boolean }
  | { readonly do: "remove" };

/** What the decision is made from. All of it can be read again; nothing else counts. */
export interface World {
  readonly pod: Pod;
  readonly machine: Sighting | undefined;
  /** Nothing was seen, and the Machines API says too that there is none. */
  readonly isProvenAbsent: boolean;
  /** Asked for only when a Machine is to be launched. */
  readonly translation: () => Translation;
  /** When the Machine got its bundle, and by when it was last told to stop. */
  readonly deliveredAtMs: number | undefined;
  readonly stopByMs: number | undefined;
  /** When the tokens in the Machine want to be renewed. */
  readonly refreshAtMs: number | undefined;
  readonly nowMs: number;
}

/** How long a bundle may be on its way before it is sent again. */
const REDELIVER_MS = 5_000;
/** How long a Machine that failed is left standing before another one is tried. */
const FAILED_RETRY_MS = 10_000;
/** What the Machines API gets beyond the grace period before the Machine is destroyed as it is. */
const STOP_MARGIN_MS = 2_000;
const SETTLE_MS = 1_000;
const DEFAULT_GRACE_SECONDS = 30;

/** The next step for a Pod that exists. Pure. */
export function planFor(world: World): Step {
  const { pod, machine } = world;
  if (pod.metadata.deletionTimestamp !== undefined) return planDeletion(world);
  if (isTerminal(pod.status?.phase)) return planStop(world, graceMs(pod) + world.nowMs);
  if (machine === undefined) return planLaunch(world);

  switch (machine.machine.state) {
    case "failed":
    case "launch_failed":
      return planFailed(world, machine);
    case "destroying":
    case "destroyed":
      return { do: "nothing", recheckInMs: SETTLE_MS };
    case "stopped":
    case "suspended":
      return planStopped(world, machine);
    default:
      return planRunning(world, machine);
  }
}

/** Why no container will be started again, or undefined while one may be, or one still runs. */
export function endingOf({ pod, machine, isProvenAbsent, nowMs }: World): Ending | undefined {
  const isStill =
    machine === undefined ? isProvenAbsent : hasStopped(machine) || isBeforeStart(machine);
  if (!isStill) return undefined;
  if (pod.metadata.deletionTimestamp !== undefined) return "deleted";
  return machine !== undefined && deadlineMs(pod, machine) <= nowMs ? "deadline" : undefined;
}

function planLaunch({ pod, isProvenAbsent, translation }: World): Step {
  const statuses = pod.status?.containerStatuses ?? [];
  // Everything that may run has run: a Job's Pod whose Machine is gone needs no other.
  if (statuses.length > 0 && statuses.every((status) => isFinal(pod, status))) {
    return { do: "nothing" };
  }
  if (hasRun(pod) && !isProvenAbsent) return { do: "prove" };
  const answer = translation();
  return answer.ok
    ? { do: "launch", translation: answer }
    : { do: "refuse", refused: answer.refused };
}

function planFailed({ nowMs }: World, machine: Sighting): Step {
  const leftMs = Date.parse(machine.machine.created_at) + FAILED_RETRY_MS - nowMs;
  return leftMs > 0
    ? { do: "nothing", recheckInMs: leftMs }
    : { do: "destroy", machine, isFailed: true };
}

function planStopped(world: World, machine: Sighting): Step {
  const { pod, nowMs } = world;
  const isOver = deadlineMs(pod, machine) <= nowMs || hasFinished(pod, machine);
  return isOver ? { do: "nothing" } : { do: "start", machine };
}

function planRunning(world: World, machine: Sighting): Step {
  const { pod, nowMs, deliveredAtMs, refreshAtMs } = world;
  const deadline = deadlineMs(pod, machine);
  if (deadline <= nowMs) return planStop(world, nowMs + graceMs(pod));
  if (awaitsBundle(machine)) {
    const againMs = (deliveredAtMs ?? Number.NEGATIVE_INFINITY) + REDELIVER_MS - nowMs;
    return againMs > 0 ? { do: "nothing", recheckInMs: againMs } : { do: "deliver", machine };
  }
  if (refreshAtMs !== undefined && refreshAtMs <= nowMs) return { do: "refresh", machine };
  const next = Math.min(deadline, refreshAtMs ?? Number.POSITIVE_INFINITY) - nowMs;
  return Number.isFinite(next) ? { do: "nothing", recheckInMs: next } : { do: "nothing" };
}

/** Stops what still runs; what has stopped stays where it is, with its logs. */
function planStop({ machine, stopByMs, nowMs }: World, byMs: number): Step {
  if (machine === undefined || hasStopped(machine) || isGoing(machine)) return { do: "nothing" };
  if (stopByMs === undefined || stopByMs + STOP_MARGIN_MS < nowMs) {
    return { do: "stop", machine, byMs };
  }
  return { do: "nothing", recheckInMs: stopByMs + STOP_MARGIN_MS + 1 - nowMs };
}

/**
 * The kubelet's order: ask to stop, wait as long as the grace period lasts, destroy, and only when
 * the Machine is proven gone remove the Pod.
 */
function planDeletion({ pod, machine, isProvenAbsent, stopByMs, nowMs }: World): Step {
  if (machine === undefined) return isProvenAbsent ? { do: "remove" } : { do: "prove" };
  if (isGoing(machine)) return { do: "nothing", recheckInMs: SETTLE_MS };

  const byMs = Date.parse(pod.metadata.deletionTimestamp ?? "");
  const isForced = pod.metadata.deletionGracePeriodSeconds === 0;
  const isOverdue = byMs + STOP_MARGIN_MS <= nowMs;
  if (hasStopped(machine) || isBeforeStart(machine) || isForced || isOverdue) {
    return { do: "destroy", machine, isFailed: false };
  }
  // A second deletion may have shortened the grace period; the times are whole seconds.
  if (stopByMs === undefined || stopByMs > byMs) return { do: "stop", machine, byMs };
  return { do: "nothing", recheckInMs: byMs + STOP_MARGIN_MS - nowMs };
}

/** True when the status tells of a container that has started, or of an address. */
function hasRun({ status }: Pod): boolean {
  const statuses = status?.containerStatuses ?? [];
  return status?.podIP !== undefined || statuses.some(({ containerID }) => containerID);
}

function hasFinished(pod: Pod, { report }: Sighting): boolean {
  return report !== undefined && report.containers.every((container) => isFinal(pod, container));
}

function hasStopped({ machine }: Sighting): boolean {
  return ["stopped", "failed", "launch_failed", "suspended"].includes(machine.state);
}

function isGoing({ machine }: Sighting): boolean {
  return machine.state === "destroying" || machine.state === "destroyed";
}

/** Nothing has been started in it, and nothing will be before it gets its bundle. */
function isBeforeStart(sighting: Sighting): boolean {
  return (
    awaitsBundle(sighting) &&
    sighting.report?.containers.every(({ containerID }) => containerID === "") !== false
  );
}

export function awaitsBundle({ machine, report }: Sighting): boolean {
  if (report !== undefined) return report.awaits === "bundle";
  return machine.config?.metadata?.[AWAITS_KEY] === "bundle";
}

function deadlineMs({ spec, status }: Pod, { machine }: Sighting): number {
  const { activeDeadlineSeconds } = spec;
  if (activeDeadlineSeconds === undefined) return Number.POSITIVE_INFINITY;
  return Date.parse(status?.startTime ?? machine.created_at) + activeDeadlineSeconds * 1000;
}

function graceMs({ spec }: Pod): number {
  return (spec.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS) * 1000;
}
