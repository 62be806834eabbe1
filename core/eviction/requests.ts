import type { Pod } from "../kube/pod.ts";
import { wholeOf } from "../kube/quantity.ts";
import { mostOf } from "../pod/guest.ts";

export const EPHEMERAL = "ephemeral-storage";

/**
 * What the Pod asked for, in whole units or as `read` counts: its own word, else what its containers
 * did at the most at one time. Overhead comes on top of something.
 */
export function requestOf(pod: Pod, resource: string, read = wholeOf): number {
  const own = pod.spec.resources?.requests?.[resource];
  const ofContainers = (): number =>
    mostOf(pod, ({ container }) => read(container.resources?.requests?.[resource] ?? "0"));
  const asked = own === undefined ? ofContainers() : read(own);
  return asked === 0 ? 0 : asked + read(pod.spec.overhead?.[resource] ?? "0");
}
