import type { Pod } from "../kube/pod.ts";
import type { Rejection } from "../pod/security.ts";
import type { Pressure } from "./signals.ts";

/** The reason of a Pod that is ended, or not begun, because of what it or its Node lacks. */
export const EVICTED = "Evicted";
const SYSTEM_CRITICAL = 2_000_000_000;
const MEMORY_TAINT = "node.kubernetes.io/memory-pressure";

/** Never evicted and always let in: the cluster would not work without it. */
export function isCritical({ spec }: Pod): boolean {
  return (spec.priority ?? 0) >= SYSTEM_CRITICAL;
}

/** Why a Node that is short of something takes no such new Pod, as a kubelet decides it. Pure. */
export function pressureRejectionFor(
  pod: Pod,
  pressures: readonly Pressure[],
): Rejection | undefined {
  if (pressures.length === 0 || isCritical(pod)) return undefined;
  const isOnlyMemory = pressures.every((pressure) => pressure === "MemoryPressure");
  const isBestEffort = pod.status?.qosClass === "BestEffort";
  if (isOnlyMemory && (!isBestEffort || toleratesMemoryPressure(pod))) return undefined;
  return { reason: EVICTED, message: `The node had condition: [${pressures.join(" ")}]. ` };
}

function toleratesMemoryPressure({ spec }: Pod): boolean {
  return (spec.tolerations ?? []).some(({ key = "", operator, value = "", effect = "" }) => {
    if (effect !== "" && effect !== "NoSchedule") return false;
    if (operator === "Exists") return key === "" || key === MEMORY_TAINT;
    return key === MEMORY_TAINT && value === "";
  });
}
