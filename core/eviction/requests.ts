import type { Pod } from "../kube/pod.ts";
import { wholeOf } from "../kube/quantity.ts";
import { mostOf } from "../pod/guest.ts";

export const EPHEMERAL = "ephemeral-storage";

/**
 * What the Pod asked for, in whole units: its own word, else what its containers did at the most at
 * one time. Overhead comes on top of something.
 */
export function requestOf(pod: Pod, resource: string): number {
  const own = pod.spec.resources?.requests?.[resource];
  const ofContainers = (): number =>
    mostOf(pod, ({ container }) => wholeOf(container.resources?.requests?.[resource] ?? "0"));
  const asked = own === undefined ? ofContainers() : wholeOf(own);
  return asked === 0 ? 0 : asked + wholeOf(pod.spec.overhead?.[resource] ?? "0");
}
