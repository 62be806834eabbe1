import type { Machine } from "../fly/machine.ts";
import type { MachineReport } from "../fly/machine-protocol.ts";
import type { ContainerStatus, Pod, PodPhase, PodStatus } from "../kube/pod.ts";
import { timeOf, wholeSeconds } from "../kube/time.ts";
import { type ConditionSources, conditionsFor } from "./conditions.ts";
import { ephemeralOf, hasInitContainers, type Member, membersOf } from "./container-roles.ts";
import { containerStatusFor, waitingStatus } from "./container-status.ts";
import type { Finding } from "./fields/check.ts";
import { RESTARTS_KEY } from "./machine-config.ts";
import { isTerminal, phaseFor } from "./phase.ts";
import { allocatedPod, isResizing, lackFor } from "./resize.ts";

/** Why no container of the Pod will be started again. */
export type Ending =
  | { readonly why: "deleted" }
  /** The Pod has failed, and its status says so in these words. */
  | {
      readonly why: "failed";
      readonly reason: string;
      readonly message: string;
      /** What the Event says where it is not the same. */
      readonly event?: string;
      /** The reason of its condition `DisruptionTarget`. */
      readonly disruption?: string;
    };

/** What a kubelet says of a Pod that outlived its deadline. */
export const DEADLINE = {
  why: "failed",
  reason: "DeadlineExceeded",
  message: "Pod was active on the node longer than the specified deadline",
} as const satisfies Ending;

/** All that a Pod's status is made of, beside the Pod itself. */
export interface StatusSources {
  readonly machine?: Machine;
  readonly report?: MachineReport;
  /** The Pod had a Machine, and it is proven gone. */
  readonly isLost: boolean;
  /** Set only once none of the containers runs any more. */
  readonly ending?: Ending;
  readonly refused?: readonly Finding[];
  readonly hostIP: string;
  readonly nowMs: number;
}

interface OwnStatus extends Member {
  readonly status: ContainerStatus;
}

/** The whole status of `pod`, everybody else's part of it kept. Pure; a kubelet's words and rules. */
export function podStatusFor(pod: Pod, sources: StatusSources): PodStatus {
  const old = pod.status ?? {};
  const members = membersOf(sources.machine ? allocatedPod(pod, sources.machine) : pod);
  const before = statusesFor(pod, members, sources);
  const ephemeral = statusesFor(pod, ephemeralOf(pod), sources);
  const isRunning = [...before, ...ephemeral].some(({ status }) => status.state?.running);
  const phase = phaseOf(pod, before, isRunning, sources);
  const told = isTerminal(phase) ? before.map(ended) : before;
  const isUp = isNetworkReady(sources) && !isTerminal(phase);
  const { ending } = sources;
  const hasJustFailed = ending?.why === "failed" && !isTerminal(old.phase);
  return {
    ...old,
    phase,
    ...(hasJustFailed ? { reason: ending.reason, message: ending.message } : {}),
    conditions: conditionsFor(pod, {
      ...sources,
      phase,
      told,
      isNetworkReady: isUp,
      ...(isTerminal(phase) ? {} : resizeFor(pod, members, sources)),
      ...disruptionOf(ending),
    }),
    hostIP: sources.hostIP,
    hostIPs: [{ ip: sources.hostIP }],
    // A Machine may have ended before its first status is written.
    ...(isUp || sources.report?.networkReadyAt !== undefined ? addressesOf(sources.machine) : {}),
    startTime: startTimeFor(pod, sources.machine?.created_at ?? timeOf(sources.nowMs)),
    ...(pod.metadata.generation === undefined
      ? {}
      : { observedGeneration: pod.metadata.generation }),
    ...(hasInitContainers(pod)
      ? { initContainerStatuses: told.filter(isEarly).map(({ status }) => status) }
      : {}),
    containerStatuses: told
      .filter((one) => !isEarly(one))
      .map(({ status }) => status)
      .toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    ...(ephemeral.length === 0
      ? {}
      : { ephemeralContainerStatuses: ephemeral.map(({ status }) => status) }),
  };
}

function disruptionOf(ending: Ending | undefined): Pick<ConditionSources, "disruption"> {
  if (ending?.why !== "failed" || ending.disruption === undefined) return {};
  return { disruption: { reason: ending.disruption, message: ending.message } };
}

/** How far the Pod is from the resources it asks for now. */
function resizeFor(
  pod: Pod,
  members: readonly Member[],
  { machine, report }: StatusSources,
): Pick<ConditionSources, "lack" | "isResizing"> {
  const lack = lackFor(pod, machine?.config?.guest);
  const isPending = members.some(({ container }) => {
    const own = report?.containers.find(({ name }) => name === container.name);
    return own !== undefined && isResizing(container, own);
  });
  return { ...(lack === undefined ? {} : { lack }), isResizing: isPending };
}

/** When the Node took the Pod: as it was told once, else when its Machine was created. */
export function startTimeFor({ status }: Pod, createdAt: string): string {
  return status?.startTime ?? wholeSeconds(createdAt);
}

function isEarly({ role }: Member): boolean {
  return role !== "main";
}

function statusesFor(
  pod: Pod,
  members: readonly Member[],
  sources: StatusSources,
): readonly OwnStatus[] {
  const { refused, report, machine, isLost, ending, nowMs } = sources;
  if (refused !== undefined) {
    const message = refusalMessage(refused);
    return members.map((member) => ({
      ...member,
      status: waitingStatus(member.container, "CreateContainerConfigError", message),
    }));
  }
  const starts = startsBefore(machine);
  return members.map((member) => {
    const { name } = member.container;
    const own = report?.containers.find((one) => one.name === name);
    const status = containerStatusFor(pod, member, {
      ...(own === undefined ? {} : { report: own }),
      startsBefore: starts[name] ?? 0,
      isLost,
      isEnding: ending !== undefined,
      nowMs,
    });
    return { ...member, status };
  });
}

/** A terminal phase never changes, and no phase is terminal while something runs. */
function phaseOf(
  pod: Pod,
  told: readonly OwnStatus[],
  isRunning: boolean,
  { ending }: StatusSources,
): PodPhase {
  const old = pod.status?.phase;
  if (old !== undefined && isTerminal(old)) return old;
  if (ending?.why === "failed") return "Failed";
  const phase = phaseFor(pod, told, ending !== undefined);
  return isTerminal(phase) && isRunning ? (old ?? "Pending") : phase;
}

/** Init containers that ended well stay ready, as in a kubelet's status. */
function ended(one: OwnStatus): OwnStatus {
  const ready = one.role === "init" && one.status.ready;
  return { ...one, status: { ...one.status, ready, started: false } };
}

/** One line for all that is refused. */
export function refusalMessage(refused: readonly Finding[]): string {
  return refused.map(({ field, sentence }) => `${field}: ${sentence}`).join(" ");
}

function isNetworkReady({ machine, report }: StatusSources): boolean {
  if (machine === undefined || machine.private_ip === "") return false;
  if (machine.state === "stopped" || machine.state === "failed") return false;
  if (machine.state === "destroying" || machine.state === "destroyed") return false;
  return report === undefined ? machine.state === "started" : report.networkReadyAt !== undefined;
}

function addressesOf(machine: Machine | undefined): Pick<PodStatus, "podIP" | "podIPs"> {
  if (machine === undefined || machine.private_ip === "") return {};
  return { podIP: machine.private_ip, podIPs: [{ ip: machine.private_ip }] };
}

/** Restart counts that a Machine took over from the one before it. */
function startsBefore(machine: Machine | undefined): Readonly<Record<string, number>> {
  const text = machine?.config?.metadata?.[RESTARTS_KEY];
  if (text === undefined) return {};
  const pairs = text.split(",").map((pair) => pair.split("="));
  return Object.fromEntries(pairs.map(([name = "", count = "0"]) => [name, Number(count)]));
}
