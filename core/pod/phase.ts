import type { Pod, PodPhase } from "../kube/pod.ts";
import { hasFailedForGood, isRestartedAfter, type Told } from "./container-roles.ts";

/** True once nothing can change the phase any more. */
export function isTerminal(phase: PodPhase | undefined): boolean {
  return phase === "Succeeded" || phase === "Failed";
}

/**
 * The phase these containers add up to. `isEnding`: none runs, and none will be started again,
 * whatever the restart policy says. Source: the kubelet's `getPhase`.
 */
export function phaseFor(pod: Pod, told: readonly Told[], isEnding: boolean): PodPhase {
  const mains = told.filter(({ role }) => role === "main");
  const kinds = new Set(told.flatMap((one) => kindOf(one) ?? []));

  if (told.some((one) => hasFailedForGood(pod, one))) return "Failed";
  if (mains.length === 0 || isInitializing(told)) return isEnding ? "Failed" : "Pending";
  if (kinds.has("waiting") || kinds.has("unknown")) return isEnding ? "Failed" : "Pending";
  if (kinds.has("running")) return "Running";
  if (!isEnding && mains.some((one) => isComingBack(pod, one))) return "Running";
  return kinds.has("failed") ? "Failed" : "Succeeded";
}

/** True once a main container has run: from then on a sidecar's restart is no initialization. */
export function hasInitialized(told: readonly Told[]): boolean {
  return told.some(({ role, status: { state = {}, lastState = {} } }) => {
    const runs = state.running ?? state.terminated ?? lastState.terminated;
    return role === "main" && runs !== undefined;
  });
}

function isInitializing(told: readonly Told[]): boolean {
  const isBefore = !hasInitialized(told);
  return told.some(({ role, status: { state = {}, lastState = {}, started } }) => {
    const hasEnded = (state.terminated ?? lastState.terminated) !== undefined;
    if (role === "init") return state.running !== undefined || !hasEnded;
    if (role === "main" || !isBefore) return false;
    return state.running === undefined ? !hasEnded : started !== true;
  });
}

type Kind = "running" | "waiting" | "succeeded" | "failed" | "unknown";

/**
 * A container that waits to be started again counts as stopped, so a crash loop stays Running. How
 * an init container or a sidecar ended does not count.
 */
function kindOf({ role, status: { state = {}, lastState = {} } }: Told): Kind | undefined {
  if (role === "init") return undefined;
  const isMain = role === "main";
  if (state.running !== undefined) return "running";
  if (state.terminated !== undefined) {
    if (!isMain) return undefined;
    return state.terminated.exitCode === 0 ? "succeeded" : "failed";
  }
  if (state.waiting === undefined) return "unknown";
  if (lastState.terminated === undefined) return "waiting";
  return isMain ? "failed" : undefined;
}

function isComingBack(pod: Pod, one: Told): boolean {
  const ended = one.status.state?.terminated ?? one.status.lastState?.terminated;
  return ended !== undefined && isRestartedAfter(pod, one, ended.exitCode);
}
