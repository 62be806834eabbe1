import type { Surroundings, Want } from "./plan-types.ts";
import { policyOf, stopFor } from "./policy.ts";
import { type ContainerRecord, isActive, type MachineRecord } from "./record.ts";
import { roleOf, sidecarsOf } from "./roles.ts";

/** What is left of the grace for one that had to wait for its turn. As in the kubelet. */
const LEAST_GRACE_MS = 2_000;

/**
 * The next step towards the end of a container that runs: its hook, its signal, SIGKILL. Sidecars
 * wait for their turn: after all others, the last one first. All of it happens inside one grace
 * period, which starts with the request; who is signalled late in it still gets two seconds. Pure.
 */
export function stopOf(
  record: MachineRecord,
  container: ContainerRecord,
  around: Surroundings,
): Want {
  const { name: key, preStop, signalledMs, killed } = container;
  const { nowMs } = around;
  const { signal, graceMs, deadlineMs } = graceFor(record, container, around);
  if (signalledMs === undefined) {
    const hook = around.conducts.get(key)?.hooks?.preStop;
    if (deadlineMs > nowMs && preStop === undefined && hook !== undefined) {
      return { step: { do: "pre-stop", key, forMs: deadlineMs - nowMs } };
    }
    const waits = preStop === "runs" || !isItsTurn(record, container);
    if (deadlineMs > nowMs && waits) return { atMs: deadlineMs };
    return { step: { do: "signal", key, signal, isKill: signal === "SIGKILL" } };
  }
  if (killed === true) return {};
  const leastMs = policyOf(record.config).awaitsBundle && graceMs > 0 ? LEAST_GRACE_MS : 0;
  const killAtMs = Math.max(deadlineMs, signalledMs + leastMs);
  if (killAtMs > nowMs) return { atMs: killAtMs };
  return { step: { do: "signal", key, signal: "SIGKILL", isKill: true } };
}

interface Grace {
  readonly signal: string;
  readonly graceMs: number;
  readonly deadlineMs: number;
}

/** Of the Machine's end, or of the container's own, whichever is over first. */
function graceFor(
  record: MachineRecord,
  { name, ending }: ContainerRecord,
  { imageSignals }: Surroundings,
): Grace {
  const { signal, timeoutMs } = stopFor(record, name, imageSignals.get(name));
  const { stopping } = record;
  const own = ending && { sinceMs: ending.sinceMs, graceMs: ending.timeoutMs ?? timeoutMs };
  const whole = stopping && { sinceMs: stopping.sinceMs, graceMs: timeoutMs };
  const first = [own, whole]
    .flatMap((one) => (one === undefined ? [] : [one]))
    .reduce((a, b) => (b.sinceMs + b.graceMs < a.sinceMs + a.graceMs ? b : a));
  return { signal, graceMs: first.graceMs, deadlineMs: first.sinceMs + first.graceMs };
}

function isItsTurn(record: MachineRecord, { name }: ContainerRecord): boolean {
  const { config, containers, stopping } = record;
  if (stopping === undefined || roleOf(record, name) !== "sidecar") return true;
  const sidecars = sidecarsOf(config);
  const later = sidecars.slice(sidecars.indexOf(name) + 1);
  return containers.every(
    (other) => !isActive(other) || (sidecars.includes(other.name) && !later.includes(other.name)),
  );
}
