import type { Pod, PodCondition, PodPhase } from "../kube/pod.ts";
import { timeOf } from "../kube/time.ts";
import type { Told } from "./container-roles.ts";
import { hasInitialized } from "./phase.ts";

export interface ConditionSources {
  readonly phase: PodPhase;
  readonly told: readonly Told[];
  readonly isNetworkReady: boolean;
  /** Why the Machine cannot give what the Pod asks for by now. */
  readonly lack?: string;
  /** Limits are on their way into running containers. */
  readonly isResizing?: boolean;
  /** A kubelet ended the Pod, which could not help it. */
  readonly disruption?: Pick<PodCondition, "reason" | "message">;
  readonly nowMs: number;
}

type Verdict = Pick<PodCondition, "status" | "reason" | "message">;

const TRUE: Verdict = { status: "True" };

/** The five conditions a kubelet always writes; all others belong to somebody else. */
const OWN_CONDITIONS = [
  "PodReadyToStartContainers",
  "Initialized",
  "Ready",
  "ContainersReady",
  "PodScheduled",
] as const;

export function isOwnCondition(type: string): boolean {
  return OWN_CONDITIONS.some((one) => one === type) || isPassingCondition(type);
}

/** Of a kubelet too, but only there while they are true. */
export function isPassingCondition(type: string): boolean {
  return type === "PodResizePending" || type === "PodResizeInProgress";
}

/** Written by whoever ends a Pod that could not help it; it stays for good. */
export const DISRUPTION_TARGET = "DisruptionTarget";

/**
 * All conditions of the Pod: ours anew, the others as they are.
 * Source: Kubernetes docs, "Pod Lifecycle"; reasons and messages are the kubelet's.
 */
export function conditionsFor(pod: Pod, sources: ConditionSources): readonly PodCondition[] {
  const old = pod.status?.conditions ?? [];
  const containersReady = containersReadyFor(sources);
  const verdicts: Readonly<Record<(typeof OWN_CONDITIONS)[number], Verdict>> = {
    PodReadyToStartContainers: { status: sources.isNetworkReady ? "True" : "False" },
    Initialized: initializedFor(sources),
    Ready: readyFor(pod, containersReady),
    ContainersReady: containersReady,
    PodScheduled: TRUE,
  };
  const own = OWN_CONDITIONS.map((type) => {
    const before = old.find((one) => one.type === type);
    return stamped(pod, before, { type, ...verdicts[type] }, sources.nowMs);
  });
  const passing = resizeConditionsFor(sources).map((one) => {
    const before = old.find(({ type }) => type === one.type);
    return stamped(pod, before, one, sources.nowMs);
  });
  const others = old.filter(({ type }) => !isOwnCondition(type));
  const { disruption } = sources;
  if (disruption === undefined) return [...own, ...passing, ...others];
  const before = others.find(({ type }) => type === DISRUPTION_TARGET);
  const target: PodCondition = { type: DISRUPTION_TARGET, status: "True", ...disruption };
  return [
    ...own,
    ...passing,
    ...others.filter((one) => one !== before),
    stamped(pod, before, target, sources.nowMs),
  ];
}

function resizeConditionsFor({ lack, isResizing }: ConditionSources): readonly PodCondition[] {
  const pending: PodCondition[] =
    lack === undefined
      ? []
      : [{ type: "PodResizePending", status: "True", reason: "Infeasible", message: lack }];
  return isResizing === true
    ? [...pending, { type: "PodResizeInProgress", status: "True" }]
    : pending;
}

function initializedFor({ phase, told }: ConditionSources): Verdict {
  if (phase === "Succeeded") return { ...TRUE, reason: "PodCompleted" };
  if (hasInitialized(told)) return TRUE;
  const incomplete = told.filter(({ role, status }) => {
    return (role === "sidecar" && status.started !== true) || (role === "init" && !status.ready);
  });
  if (incomplete.length === 0) return TRUE;
  const message = `containers with incomplete status: [${namesOf(incomplete)}]`;
  return { status: "False", reason: "ContainersNotInitialized", message };
}

function containersReadyFor({ phase, told }: ConditionSources): Verdict {
  if (phase === "Succeeded") return { status: "False", reason: "PodCompleted" };
  if (phase === "Failed") return { status: "False", reason: "PodFailed" };
  const unready = told.filter(({ role, status }) => role !== "init" && !status.ready);
  if (unready.length === 0) return TRUE;
  const message = `containers with unready status: [${namesOf(unready)}]`;
  return { status: "False", reason: "ContainersNotReady", message };
}

function namesOf(told: readonly Told[]): string {
  return told.map(({ container }) => container.name).join(" ");
}

function readyFor(pod: Pod, containersReady: Verdict): Verdict {
  if (containersReady.status !== "True") return containersReady;
  const missing = (pod.spec.readinessGates ?? []).flatMap(({ conditionType: type }) => {
    const gate = pod.status?.conditions?.find((one) => one.type === type);
    if (gate?.status === "True") return [];
    return gate === undefined
      ? [`corresponding condition of pod readiness gate "${type}" does not exist.`]
      : [`the status of pod readiness gate "${type}" is not "True", but ${gate.status}`];
  });
  if (missing.length === 0) return TRUE;
  return { status: "False", reason: "ReadinessGatesNotReady", message: missing.join(", ") };
}

/** The time of the last change moves only with the status. */
function stamped(
  { metadata }: Pod,
  before: PodCondition | undefined,
  next: PodCondition,
  nowMs: number,
): PodCondition {
  const isKept = before?.status === next.status && typeof before.lastTransitionTime === "string";
  return {
    ...next,
    lastProbeTime: null,
    lastTransitionTime: isKept ? before.lastTransitionTime : timeOf(nowMs),
    ...(metadata.generation === undefined ? {} : { observedGeneration: metadata.generation }),
  };
}
