import type { MachineId } from "../fly/machine.ts";
import type { Pod, PodStatus } from "../kube/pod.ts";
import { DISRUPTION_TARGET, isOwnCondition } from "./conditions.ts";
import type { Delivered } from "./delivered.ts";
import type { Admission, StopRequest } from "./plan.ts";
import { statusPatchFor } from "./status-patch.ts";

/** How long a status we wrote is believed over a later copy that does not show it. */
const SENT_BELIEVED_MS = 30_000;

/** What is remembered of a Pod between two looks. All of it is a cache: losing it costs a call. */
export interface PodMemory {
  readonly seenAtMs: number;
  sent?: SentStatus;
  /** A launch failed and may have been obeyed. */
  isAmbiguous: boolean;
  /** What the Pod's Node said to it. */
  admission?: Admission;
  machine: MachineMemory;
}

/** The status we wrote last. */
interface SentStatus {
  readonly status: PodStatus;
  readonly atMs: number;
  /** The version of the Pod we had then. */
  readonly over: string | undefined;
  /** False: the answer was lost, so it may stand there or not. */
  readonly isSure: boolean;
}

interface MachineMemory {
  readonly id: MachineId | undefined;
  deliveredAtMs?: number | undefined;
  stop?: StopRequest;
  /** What the Machine has of the Pod's bundle; absent: nobody knows. */
  delivered?: Delivered;
  /** How often in a row a volume was not there. */
  mountFailures?: number;
  /** Of the Pod, when it was last looked at. */
  podPrint?: string;
  refreshAtMs?: number | undefined;
  /** The last of its events that was told. */
  toldSeq?: number;
}

export interface PodMemories {
  of(podUid: string, nowMs: number): PodMemory;
  forget(podUid: string): void;
}

export function podMemories(): PodMemories {
  const memories = new Map<string, PodMemory>();
  return {
    of(podUid, nowMs) {
      const known = memories.get(podUid);
      if (known !== undefined) return known;
      const fresh = { seenAtMs: nowMs, isAmbiguous: false, machine: { id: undefined } };
      memories.set(podUid, fresh);
      return fresh;
    },
    forget: (podUid) => void memories.delete(podUid),
  };
}

/** The part that is about this Machine; another one starts from nothing. */
export function memoryOf(memory: PodMemory, id: MachineId | undefined): MachineMemory {
  if (memory.machine.id !== id && id !== undefined) memory.machine = { id };
  return memory.machine;
}

/** The Pod with the status we wrote last, until the watched copy shows it. */
export function withSentStatus(pod: Pod, memory: PodMemory, nowMs: number): Pod {
  const { sent } = memory;
  if (sent === undefined) return pod;
  const isLater = pod.metadata.resourceVersion !== sent.over;
  const isOld = isLater && sent.atMs + SENT_BELIEVED_MS < nowMs;
  if (isOld || statusPatchFor(pod, sent.status) === undefined) {
    delete memory.sent;
    return pod;
  }
  const ours = (sent.status.conditions ?? []).filter(
    ({ type }) => isOwnCondition(type) || type === DISRUPTION_TARGET,
  );
  const conditions = [
    ...ours,
    ...(pod.status?.conditions ?? []).filter(
      ({ type }) => !isOwnCondition(type) && !ours.some((one) => one.type === type),
    ),
  ];
  return { ...pod, status: { ...pod.status, ...sent.status, conditions } };
}
