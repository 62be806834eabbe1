import { timeOf } from "../kube/time.ts";
import type { PodEvent } from "../ports/pods.ts";
import { PRESSURES, type Pressure, STARVED_OF } from "./signals.ts";
import type { Threshold } from "./thresholds.ts";

/** One Event for all that is done about a shortage in this time. */
const TOLD_EVERY_MS = 300_000;

/** In the kubelet's words, what the Node has when it is short and when it is not. */
const STATES: Readonly<Record<Pressure, readonly [short: string, enough: string]>> = {
  MemoryPressure: ["NodeHasInsufficientMemory", "NodeHasSufficientMemory"],
  DiskPressure: ["NodeHasDiskPressure", "NodeHasNoDiskPressure"],
  PIDPressure: ["NodeHasInsufficientPID", "NodeHasSufficientPID"],
};

/** The Events about what has become short, or enough again. Pure. */
export function changedEvents(
  node: string,
  before: readonly Pressure[],
  now: readonly Pressure[],
  nowMs: number,
): readonly PodEvent[] {
  return PRESSURES.filter((one) => before.includes(one) !== now.includes(one)).map((pressure) => {
    const [short, enough] = STATES[pressure];
    const reason = now.includes(pressure) ? short : enough;
    const message = `Node ${node} status is now: ${reason}`;
    return { id: `${reason}-${nowMs}`, type: "Normal", reason, message, at: timeOf(nowMs) };
  });
}

export function thresholdMetEvent({ signal }: Threshold, nowMs: number): PodEvent {
  const starved = STARVED_OF[signal];
  return {
    id: `${starved}-${Math.floor(nowMs / TOLD_EVERY_MS)}`,
    type: "Warning",
    reason: "EvictionThresholdMet",
    message: `Attempting to reclaim ${starved}`,
    at: timeOf(nowMs),
  };
}
