import type { ContainerProbes, ProbeSpec } from "#core/fly/machine-protocol.ts";
import type { Conduct } from "../conduct.ts";
import type { ContainerRecord, MachineRecord } from "../record.ts";

export type ProbeKind = keyof ContainerProbes;

export const PROBE_KINDS: readonly ProbeKind[] = ["startup", "liveness", "readiness"];

export type Verdict = "success" | "failure";

/** How often in a row a probe has given the same result. */
export interface Streak {
  readonly result?: Verdict;
  readonly length: number;
}

export const NO_STREAK: Streak = { length: 0 };

/** One more result; there is a verdict once it came often enough in a row. As in the kubelet. Pure. */
export function probed(
  streak: Streak,
  { successThreshold, failureThreshold }: ProbeSpec,
  result: Verdict,
): { readonly streak: Streak; readonly verdict?: Verdict } {
  const length = streak.result === result ? streak.length + 1 : 1;
  const isEnough = length >= (result === "success" ? successThreshold : failureThreshold);
  return { streak: { result, length }, ...(isEnough ? { verdict: result } : {}) };
}

/**
 * Whether this probe of a container is to be asked now. Liveness and readiness wait for the startup
 * probe; nothing but readiness is asked once the container or its Machine is being stopped. Pure.
 */
export function isProbed(
  record: MachineRecord,
  container: ContainerRecord,
  kind: ProbeKind,
): boolean {
  if (container.phase !== "running" || container.shown.running === undefined) return false;
  const isStopping = record.stopping !== undefined || container.ending !== undefined;
  if (kind === "startup") return !container.isStarted && !isStopping;
  return container.isStarted && (kind === "readiness" || !isStopping);
}

/** When a probe is asked for the first time: after its delay, and spread after our own restart. */
export function firstProbeMs(
  spec: ProbeSpec,
  container: ContainerRecord,
  {
    nowMs,
    sinceMs,
    spread,
  }: { readonly nowMs: number; readonly sinceMs: number; readonly spread: number },
): number {
  const startedMs = container.startedMs ?? nowMs;
  const dueMs = startedMs + spec.initialDelaySeconds * 1_000;
  if (dueMs >= nowMs) return dueMs;
  const wasAdopted = startedMs < sinceMs;
  return nowMs + (wasAdopted ? Math.floor(spread * spec.periodSeconds * 1_000) : 0);
}

/** What the container is after this verdict; the same value when nothing changes. Pure. */
export function judged(
  container: ContainerRecord,
  { probes }: Conduct,
  {
    kind,
    verdict,
    nowMs,
    isRestarted,
  }: {
    readonly kind: ProbeKind;
    readonly verdict: Verdict;
    readonly nowMs: number;
    readonly isRestarted: boolean;
  },
): ContainerRecord {
  const isSuccess = verdict === "success";
  if (kind === "readiness") {
    return container.isReady === isSuccess ? container : { ...container, isReady: isSuccess };
  }
  if (isSuccess) {
    if (kind === "liveness" || container.isStarted) return container;
    const isReady = probes?.readiness === undefined;
    return { ...container, isStarted: true, hasStarted: true, isReady };
  }
  if (container.ending !== undefined) return container;
  const seconds = probes?.[kind]?.terminationGracePeriodSeconds;
  const what = `Container ${container.name} failed ${kind} probe`;
  return {
    ...container,
    ending: {
      by: kind,
      killing: isRestarted ? `${what}, will be restarted` : what,
      sinceMs: nowMs,
      ...(seconds === undefined ? {} : { timeoutMs: seconds * 1_000 }),
    },
  };
}
