import type { PodEvent } from "../../ports/pods.ts";
import { memoryOf } from "../pod-memory.ts";
import type { ReconcileDeps, Taken, Turn } from "./turn.ts";

/** How long a volume that cannot be there is waited for, as in the kubelet. */
const FIRST_MS = 500;
const MAX_MS = 122_000;

/** Tells why, and looks again: each time a little later. */
export function waitForVolume(
  { teller }: Pick<ReconcileDeps, "teller">,
  { world: { pod, machine }, memory }: Turn,
  event: PodEvent,
): Taken {
  teller.tell(pod, event);
  const own = memoryOf(memory, machine?.machine.id);
  const failures = own.mountFailures ?? 0;
  own.mountFailures = failures + 1;
  return { recheckInMs: Math.min(FIRST_MS * 2 ** failures, MAX_MS) };
}
