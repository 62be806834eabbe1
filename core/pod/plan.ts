import { AWAITS_KEY } from "../fly/machine-protocol.ts";
import type { Pod } from "../kube/pod.ts";
import { ephemeralOf, isOver, type Member, statusesOf } from "./container-roles.ts";
import type { Finding } from "./fields/check.ts";
import type { Translation } from "./machine-config.ts";
import type { Sighting } from "./machine-view.ts";
import { isTerminal } from "./phase.ts";
import { DEADLINE, type Ending } from "./pod-status.ts";
import { type Rejection, rejectionFor } from "./security.ts";

/** The one effect that brings a Machine closer to what its Pod asks for. */
export type Step =
  | { readonly do: "nothing"; readonly recheckInMs?: number }
  | { readonly do: "refuse"; readonly refused: readonly Finding[] }
  /** No kubelet would run it: the Pod fails. */
  | { readonly do: "reject"; readonly rejection: Rejection }
  | { readonly do: "launch"; readonly translation: Extract<Translation, { ok: true }> }
  /** The Node has not said yet whether it takes the Pod. */
  | { readonly do: "ask-node" }
  /** No Machine is seen, and it matters: ask the Machines API. */
  | { readonly do: "prove" }
  /** The Machine is proven gone: the status says so before anything else happens. */
  | { readonly do: "admit" }
  | { readonly do: "deliver"; readonly machine: Sighting }
  | { readonly do: "refresh"; readonly machine: Sighting }
  /** A container of the Pod is not in its running Machine yet. */
  | { readonly do: "add"; readonly machine: Sighting; readonly member: Member }
  | { readonly do: "start"; readonly machine: Sighting }
  | { readonly do: "stop"; readonly machine: Sighting; readonly stop: StopRequest }
  | { readonly do: "destroy"; readonly machine: Sighting; readonly isFailed: boolean }
  | { readonly do: "remove" };

/** By when the Pod wanted its Machine to stop, and how long the Machine was given. */
export interface StopRequest {
  readonly askedByMs: number;
  readonly untilMs: number;
}

/** What the decision is made from. All of it can be read again; nothing else counts. */
export interface World {
  readonly pod: Pod;
  readonly machine: Sighting | undefined;
  /** Nothing was seen, and the Machines API says too that there is none. */
  readonly isProvenAbsent: boolean;
  /** Asked for only when a Machine is to be launched. */
  readonly translation: () => Translation;
  /** When the Machine got its bundle. */
  readonly deliveredAtMs: number | undefined;
  /** The last request to stop. */
  readonly stop: StopRequest | undefined;
  /** When what the Machine's bundle was made from wants to be looked at again. */
  readonly refreshAtMs: number | undefined;
  /** What the Node said to the new Pod; undefined: it was not asked. */
  readonly admission: Admission | undefined;
  readonly nowMs: number;
}

/** A Node's answer to a new Pod, asked for once; without a rejection it takes the Pod. */
export interface Admission {
  readonly rejection?: Rejection;
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
  if (isTerminal(pod.status?.phase)) return planStop(world);
  if (machine === undefined) return planLaunch(world);

  if (isGoing(machine)) return { do: "nothing", recheckInMs: SETTLE_MS };
  if (hasFailed(machine)) return planFailed(world, machine);
  return hasStopped(machine) ? planStopped(world, machine) : planRunning(world, machine);
}

/** Why no container will be started again, or undefined while one may be, or one still runs. */
export function endingOf(world: World): Ending | undefined {
  const { pod, machine, isProvenAbsent, nowMs } = world;
  const isStill =
    machine === undefined ? isProvenAbsent : hasStopped(machine) || isBeforeStart(world, machine);
  if (!isStill) return undefined;
  const ended = machine?.report?.ended;
  if (ended !== undefined) return { why: "failed", ...ended };
  if (pod.metadata.deletionTimestamp !== undefined) return { why: "deleted" };
  return machine !== undefined && deadlineMs(pod, machine) <= nowMs ? DEADLINE : undefined;
}

function planLaunch({ pod, isProvenAbsent, translation, admission }: World): Step {
  const statuses = statusesOf(pod);
  // Everything that may run has run: a Job's Pod whose Machine is gone needs no other.
  if (hasMainStatuses(pod) && isOver(pod, statuses)) return { do: "nothing" };
  if (hasRun(pod) && !isProvenAbsent) return { do: "prove" };
  if (statuses.some(({ state }) => state?.running !== undefined)) return { do: "admit" };
  if (!hasRun(pod) && admission === undefined) return { do: "ask-node" };
  const rejection = (hasRun(pod) ? undefined : admission?.rejection) ?? rejectionFor(pod);
  if (rejection !== undefined) return { do: "reject", rejection };
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
  if (deadlineMs(pod, machine) <= nowMs || hasFinished(pod, machine)) return { do: "nothing" };
  const isSettled = machine.report?.containers.every(({ state }) => state.running === undefined);
  return isSettled === false ? { do: "nothing", recheckInMs: SETTLE_MS } : { do: "start", machine };
}

function planRunning(world: World, machine: Sighting): Step {
  const { pod, nowMs, deliveredAtMs, refreshAtMs } = world;
  const deadline = deadlineMs(pod, machine);
  if (deadline <= nowMs) return planStop(world);
  if (awaitsBundle(machine)) {
    const againMs = (deliveredAtMs ?? Number.NEGATIVE_INFINITY) + REDELIVER_MS - nowMs;
    return againMs > 0 ? { do: "nothing", recheckInMs: againMs } : { do: "deliver", machine };
  }
  const added = missingIn(pod, machine);
  if (added !== undefined) return { do: "add", machine, member: added };
  if (refreshAtMs !== undefined && refreshAtMs <= nowMs) return { do: "refresh", machine };
  const next = Math.min(deadline, refreshAtMs ?? Number.POSITIVE_INFINITY) - nowMs;
  return Number.isFinite(next) ? { do: "nothing", recheckInMs: next } : { do: "nothing" };
}

/** An ephemeral container that the Machine does not know; one that has run is not run again. */
function missingIn(pod: Pod, { report }: Sighting): Member | undefined {
  const known = new Set(report?.containers.map(({ name }) => name));
  const statuses = pod.status?.ephemeralContainerStatuses ?? [];
  const hasRunAlready = (one: Member): boolean =>
    statuses.some(
      ({ name, containerID = "" }) => name === one.container.name && containerID !== "",
    );
  if (report === undefined) return undefined;
  return ephemeralOf(pod).find((one) => !known.has(one.container.name) && !hasRunAlready(one));
}

/** Stops what still runs; what has stopped stays where it is, with its logs. */
function planStop({ pod, machine, stop, nowMs }: World): Step {
  if (machine === undefined || hasStopped(machine) || isGoing(machine)) return { do: "nothing" };
  const againMs = stop === undefined ? 0 : stop.untilMs + STOP_MARGIN_MS - nowMs;
  if (againMs > 0) return { do: "nothing", recheckInMs: againMs };
  const untilMs = nowMs + graceMs(pod);
  return { do: "stop", machine, stop: { askedByMs: untilMs, untilMs } };
}

/**
 * The kubelet's order: ask to stop, wait as long as the grace period lasts, destroy, and only when
 * the Machine is proven gone remove the Pod.
 */
function planDeletion(world: World): Step {
  const { pod, machine, isProvenAbsent, stop, nowMs } = world;
  if (machine === undefined) return isProvenAbsent ? { do: "remove" } : { do: "prove" };
  if (isGoing(machine)) return { do: "nothing", recheckInMs: SETTLE_MS };

  const isForced = pod.metadata.deletionGracePeriodSeconds === 0;
  const leftMs = stop === undefined ? 1 : stop.untilMs + STOP_MARGIN_MS - nowMs;
  if (hasStopped(machine) || isBeforeStart(world, machine) || isForced || leftMs <= 0) {
    return { do: "destroy", machine, isFailed: false };
  }
  const byMs = Date.parse(pod.metadata.deletionTimestamp ?? "");
  // A later deletion may have shortened the grace period.
  if (stop !== undefined && stop.askedByMs <= byMs) return { do: "nothing", recheckInMs: leftMs };
  return {
    do: "stop",
    machine,
    stop: { askedByMs: byMs, untilMs: patienceFor(world, machine, byMs) },
  };
}

/** We may come late, after an outage: a container that was never asked gets its whole time. */
function patienceFor({ pod, stop, nowMs }: World, { machine }: Sighting, byMs: number): number {
  const isLate = stop === undefined && machine.state !== "stopping" && byMs <= nowMs;
  const graceSeconds = pod.metadata.deletionGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS;
  return isLate ? nowMs + graceSeconds * 1000 : byMs;
}

/** True when the status tells of a container that has started, or of an address. */
export function hasRun(pod: Pod): boolean {
  return pod.status?.podIP !== undefined || statusesOf(pod).some(({ containerID }) => containerID);
}

function hasMainStatuses({ status }: Pod): boolean {
  return (status?.containerStatuses ?? []).length > 0;
}

function hasFinished(pod: Pod, { report }: Sighting): boolean {
  if (report === undefined) return false;
  return report.ended !== undefined || isOver(pod, report.containers);
}

function hasFailed({ machine }: Sighting): boolean {
  return machine.state === "failed" || machine.state === "launch_failed";
}

function hasStopped(sighting: Sighting): boolean {
  const { state } = sighting.machine;
  return hasFailed(sighting) || state === "stopped" || state === "suspended";
}

function isGoing({ machine }: Sighting): boolean {
  return machine.state === "destroying" || machine.state === "destroyed";
}

/** Nothing has been started in it, and nothing will be before it gets its bundle. */
function isBeforeStart({ deliveredAtMs }: World, sighting: Sighting): boolean {
  if (deliveredAtMs !== undefined || !awaitsBundle(sighting)) return false;
  return (sighting.report?.containers ?? []).every(({ containerID }) => containerID === "");
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
