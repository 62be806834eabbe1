import type { Machine } from "../fly/machine.ts";
import type { MachineReport } from "../fly/machine-protocol.ts";
import type { ContainerStatus, Pod, PodPhase, PodStatus } from "../kube/pod.ts";
import { timeOf, wholeSeconds } from "../kube/time.ts";
import { conditionsFor } from "./conditions.ts";
import { containerStatusFor, waitingStatus } from "./container-status.ts";
import type { Finding } from "./fields/check.ts";
import { RESTARTS_KEY } from "./machine-config.ts";
import { isTerminal, phaseFor } from "./phase.ts";

/** Why no container of the Pod will be started again. */
export type Ending = "deleted" | "deadline";

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

/** The whole status of `pod`, everybody else's part of it kept. Pure; a kubelet's words and rules. */
export function podStatusFor(pod: Pod, sources: StatusSources): PodStatus {
  const old = pod.status ?? {};
  const before = statusesFor(pod, sources);
  const phase = phaseOf(pod, before, sources);
  const statuses = isTerminal(phase) ? before.map(ended) : before;
  const isUp = isNetworkReady(sources) && !isTerminal(phase);
  const isPastDeadline = sources.ending === "deadline" && !isTerminal(old.phase);
  return {
    ...old,
    phase,
    ...(isPastDeadline ? DEADLINE : {}),
    conditions: conditionsFor(pod, { ...sources, phase, statuses, isNetworkReady: isUp }),
    hostIP: sources.hostIP,
    hostIPs: [{ ip: sources.hostIP }],
    ...(isUp ? addressesOf(sources.machine) : {}),
    startTime: old.startTime ?? wholeSeconds(sources.machine?.created_at ?? timeOf(sources.nowMs)),
    ...(pod.metadata.generation === undefined
      ? {}
      : { observedGeneration: pod.metadata.generation }),
    containerStatuses: statuses.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
  };
}

const DEADLINE = {
  reason: "DeadlineExceeded",
  message: "Pod was active on the node longer than the specified deadline",
} as const;

function statusesFor(pod: Pod, sources: StatusSources): readonly ContainerStatus[] {
  const { refused, report, machine, isLost, ending, nowMs } = sources;
  if (refused !== undefined) {
    const message = refusalMessage(refused);
    return pod.spec.containers.map((container) =>
      waitingStatus(container, "CreateContainerConfigError", message),
    );
  }
  const starts = startsBefore(machine);
  return pod.spec.containers.map((container) => {
    const own = report?.containers.find(({ name }) => name === container.name);
    return containerStatusFor(pod, container, {
      ...(own === undefined ? {} : { report: own }),
      startsBefore: starts[container.name] ?? 0,
      isLost,
      isEnding: ending !== undefined || pod.spec.restartPolicy === "Never",
      nowMs,
    });
  });
}

/** A terminal phase never changes, and no phase is terminal while something runs. */
function phaseOf(
  pod: Pod,
  statuses: readonly ContainerStatus[],
  { ending }: StatusSources,
): PodPhase {
  const old = pod.status?.phase;
  if (old !== undefined && isTerminal(old)) return old;
  if (ending === "deadline") return "Failed";
  return phaseFor(pod.spec, statuses, ending !== undefined);
}

function ended(status: ContainerStatus): ContainerStatus {
  return { ...status, ready: false, started: false };
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
  if (machine === undefined) return {};
  return { podIP: machine.private_ip, podIPs: [{ ip: machine.private_ip }] };
}

/** Restart counts that a Machine took over from the one before it. */
function startsBefore(machine: Machine | undefined): Readonly<Record<string, number>> {
  const text = machine?.config?.metadata?.[RESTARTS_KEY];
  if (text === undefined) return {};
  const pairs = text.split(",").map((pair) => pair.split("="));
  return Object.fromEntries(pairs.map(([name = "", count = "0"]) => [name, Number(count)]));
}
