import type { Pod } from "../kube/pod.ts";
import { quantityText, wholeOf } from "../kube/quantity.ts";
import { membersOf } from "../pod/container-roles.ts";
import { containerDiskBytes } from "../usage/disk.ts";
import type { ContainerReading } from "../usage/usage.ts";
import type { Candidate } from "./ranking.ts";
import { type HostReading, observationOf, STARVED_OF, type Starved } from "./signals.ts";
import { availableText, leastText, type Threshold } from "./thresholds.ts";

export interface EvictionMessage {
  readonly message: string;
  /** Of the Event, for programs. */
  readonly annotations: Readonly<Record<string, string>>;
}

/** Why this Pod is evicted for what the host lacks, in the kubelet's words. Pure. */
export function evictionMessage(
  { pod, usage }: Candidate,
  { signal }: Threshold,
  met: readonly Threshold[],
  reading: HostReading,
): EvictionMessage {
  const starved = STARVED_OF[signal];
  const first = met.find((one) => STARVED_OF[one.signal] === starved);
  const start = `The node was low on resource: ${starved}. ${first ? crossed(first, reading) : ""}`;
  if (usage === undefined) return { message: start, annotations: {} };

  const offending = usage.containers.flatMap((used) => offendingIn(pod, used, starved));
  return {
    message: start + offending.map(({ sentence }) => sentence).join(""),
    annotations: {
      offending_containers: offending.map(({ name }) => name).join(","),
      offending_containers_usage: offending.map(({ amount }) => amount).join(","),
      starved_resource: starved,
    },
  };
}

function crossed(threshold: Threshold, reading: HostReading): string {
  const { capacity } = observationOf(reading, threshold.signal);
  const available = availableText(reading, threshold.signal);
  return `Threshold quantity: ${leastText(threshold, capacity)}, available: ${available}. `;
}

interface Offending {
  readonly name: string;
  readonly amount: string;
  readonly sentence: string;
}

/** The container, when it uses more than it asked for; ephemeral containers cannot ask. */
function offendingIn(pod: Pod, used: ContainerReading, starved: Starved): readonly Offending[] {
  const { name } = used;
  const member = membersOf(pod).find(({ container }) => container.name === name);
  const amount = usedOf(used, starved);
  const request = member?.container.resources?.requests?.[starved] ?? "0";
  if (member === undefined || amount === undefined || amount <= wholeOf(request)) return [];
  const text = quantityText(amount, "binary");
  const sentence = `Container ${name} was using ${text}, request is ${request}, has larger consumption of ${starved}. `;
  return [{ name, amount: text, sentence }];
}

function usedOf(used: ContainerReading, starved: Starved): number | undefined {
  if (starved === "memory") return used.memoryBytes;
  const isKnown = used.rootBytes !== undefined && used.logBytes !== undefined;
  return starved === "ephemeral-storage" && isKnown ? containerDiskBytes(used) : undefined;
}
