import type { ContainerStatus, PodPhase, PodSpec } from "../kube/pod.ts";

/** True once nothing can change the phase any more. */
export function isTerminal(phase: PodPhase | undefined): boolean {
  return phase === "Succeeded" || phase === "Failed";
}

/**
 * The phase these containers add up to. `isEnding`: none runs, and none will be started again,
 * whatever the restart policy says. Source: the kubelet's `getPhase`.
 */
export function phaseFor(
  { restartPolicy = "Always" }: PodSpec,
  statuses: readonly ContainerStatus[],
  isEnding: boolean,
): PodPhase {
  const kinds = new Set(statuses.map(kindOf));

  if (kinds.size === 0 || kinds.has("waiting") || kinds.has("unknown")) {
    return isEnding ? "Failed" : "Pending";
  }
  if (kinds.has("running")) return "Running";
  if (!isEnding && restartPolicy === "Always") return "Running";
  if (!kinds.has("failed")) return "Succeeded";
  return isEnding || restartPolicy === "Never" ? "Failed" : "Running";
}

type Kind = "running" | "waiting" | "succeeded" | "failed" | "unknown";

/** A container that waits to be started again counts as stopped, so a crash loop stays Running. */
function kindOf({ state = {}, lastState = {} }: ContainerStatus): Kind {
  if (state.running !== undefined) return "running";
  if (state.terminated !== undefined)
    return state.terminated.exitCode === 0 ? "succeeded" : "failed";
  if (state.waiting === undefined) return "unknown";
  return lastState.terminated === undefined ? "waiting" : "failed";
}
