import type { Surroundings, Want } from "./plan.ts";
import { policyOf, stopFor } from "./policy.ts";
import { type ContainerRecord, isActive, type MachineRecord } from "./record.ts";
import { roleOf, sidecarsOf } from "./roles.ts";

/** What is left of the grace for one that had to wait for its turn. As in the kubelet. */
const LEAST_GRACE_MS = 2_000;

/**
 * The next step towards the end of a container that runs. Sidecars wait for their turn: after all
 * others, the last one first. All of it happens inside one grace period, which starts with the
 * request; who is signalled late in it still gets two seconds. Pure.
 */
export function stopOf(
  record: MachineRecord,
  container: ContainerRecord,
  around: Surroundings,
): Want {
  const { name: key, signalledMs, killed } = container;
  const { signal, timeoutMs } = stopFor(record, key, around.imageSignals.get(key));
  const deadlineMs = (record.stopping?.sinceMs ?? around.nowMs) + timeoutMs;
  if (signalledMs === undefined) {
    if (deadlineMs > around.nowMs && !isItsTurn(record, key)) return { atMs: deadlineMs };
    return { step: { do: "signal", key, signal, isKill: signal === "SIGKILL" } };
  }
  if (killed === true) return {};
  const leastMs = policyOf(record.config).awaitsBundle && timeoutMs > 0 ? LEAST_GRACE_MS : 0;
  const killAtMs = Math.max(deadlineMs, signalledMs + leastMs);
  if (killAtMs > around.nowMs) return { atMs: killAtMs };
  return { step: { do: "signal", key, signal: "SIGKILL", isKill: true } };
}

function isItsTurn({ config, containers }: MachineRecord, name: string): boolean {
  if (roleOf(config, name) !== "sidecar") return true;
  const sidecars = sidecarsOf(config);
  const later = sidecars.slice(sidecars.indexOf(name) + 1);
  return containers.every(
    (other) => !isActive(other) || (sidecars.includes(other.name) && !later.includes(other.name)),
  );
}
