import type { Pod } from "../kube/pod.ts";
import { ephemeralBytes, ephemeralInodes } from "../usage/disk.ts";
import type { PodUsage } from "../usage/usage.ts";
import { EPHEMERAL, requestOf } from "./requests.ts";
import { type HostReading, type Signal, STARVED_OF } from "./signals.ts";

/** A Pod that may be evicted; without `usage` nobody knows what it uses. */
export interface Candidate {
  readonly pod: Pod;
  readonly usage: PodUsage | undefined;
}

type Order = (a: Candidate, b: Candidate) => number;

/**
 * The Pods in the kubelet's order of eviction: first those that use more than they asked for, then
 * by priority, then by how much more. PIDs are asked for by nobody, so only the latter two count.
 * Pods that are alike keep their order. Pure.
 */
export function rankedFor<C extends Candidate>(
  candidates: readonly C[],
  signal: Signal,
  { isImageFsDedicated }: Pick<HostReading, "isImageFsDedicated">,
): readonly C[] {
  // What Pods write is never where images have a file system of their own.
  const isElsewhere = signal.startsWith("imagefs") && isImageFsDedicated;
  return candidates.toSorted(chained(ordersFor(signal, isElsewhere)));
}

function ordersFor(signal: Signal, isElsewhere: boolean): readonly Order[] {
  switch (STARVED_OF[signal]) {
    case "memory":
      return byUsage(memoryBytes, "memory", "memory");
    case "pids":
      return [byPriority, byMost(processes, () => 0)];
    case "ephemeral-storage":
      return byUsage(isElsewhere ? () => 0 : ephemeralBytes, EPHEMERAL, EPHEMERAL);
    case "inodes":
      // As in the kubelet, inodes beyond the request for bytes: nobody asks for inodes.
      return byUsage(isElsewhere ? () => 0 : ephemeralInodes, "inodes", EPHEMERAL);
  }
}

type Amount = (usage: PodUsage) => number;

function byUsage(amount: Amount, exceeded: string, beyond: string): readonly Order[] {
  const exceeds = ({ pod, usage }: Candidate): boolean =>
    usage === undefined || amount(usage) > requestOf(pod, exceeded);
  return [
    known((a, b) => Number(exceeds(b)) - Number(exceeds(a))),
    byPriority,
    byMost(amount, (pod) => requestOf(pod, beyond)),
  ];
}

function byMost(amount: Amount, asked: (pod: Pod) => number): Order {
  const beyond = ({ pod, usage }: Candidate): number =>
    usage === undefined ? 0 : amount(usage) - asked(pod);
  return known((a, b) => beyond(b) - beyond(a));
}

/** Pods of which nothing is known go first. */
function known(order: Order): Order {
  return (a, b) => {
    if (a.usage !== undefined && b.usage !== undefined) return order(a, b);
    return Number(b.usage === undefined) - Number(a.usage === undefined);
  };
}

function byPriority(a: Candidate, b: Candidate): number {
  return (a.pod.spec.priority ?? 0) - (b.pod.spec.priority ?? 0);
}

function chained(orders: readonly Order[]): Order {
  return (a, b) => {
    for (const order of orders) {
      const difference = order(a, b);
      if (difference !== 0) return difference;
    }
    return 0;
  };
}

const memoryBytes: Amount = ({ containers }) =>
  containers.reduce((sum, one) => sum + one.memoryBytes, 0);
const processes: Amount = ({ containers }) =>
  containers.reduce((sum, one) => sum + one.processes, 0);
