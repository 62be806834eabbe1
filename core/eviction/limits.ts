import type { Container, Pod } from "../kube/pod.ts";
import { nanosOf, quantitySum, wholeOf } from "../kube/quantity.ts";
import { membersOf } from "../pod/container-roles.ts";
import { containerDiskBytes, ephemeralBytes } from "../usage/disk.ts";
import type { PodUsage } from "../usage/usage.ts";
import { EPHEMERAL } from "./requests.ts";

/** True when the Pod has a limit on the disk that its usage has to be held against. */
export function hasDiskLimit(pod: Pod): boolean {
  const { volumes = [] } = pod.spec;
  const hasSize = volumes.some(({ emptyDir }) => emptyDir?.sizeLimit !== undefined);
  return hasSize || membersOf(pod).some(({ container }) => limitOf(container) !== undefined);
}

/** The first limit that the Pod's disk usage exceeds, in the kubelet's order and words. Pure. */
export function exceededLimit(usage: PodUsage): string | undefined {
  return exceededVolume(usage) ?? exceededTotal(usage) ?? exceededContainer(usage);
}

function exceededVolume({ pod, volumes }: PodUsage): string | undefined {
  const over = (pod.spec.volumes ?? []).find(({ name, emptyDir }) => {
    const limit = wholeOf(emptyDir?.sizeLimit ?? "0");
    const used = volumes.find((volume) => volume.name === name)?.usedBytes;
    return limit > 0 && used !== undefined && used > limit;
  });
  if (over === undefined) return undefined;
  return `Usage of EmptyDir volume "${over.name}" exceeds the limit "${over.emptyDir?.sizeLimit}". `;
}

/** What all containers may use together counts for the Pod, also when only some have a limit. */
function exceededTotal(usage: PodUsage): string | undefined {
  const total = totalLimit(usage.pod);
  if (total === undefined || ephemeralBytes(usage) <= wholeOf(total)) return undefined;
  return `Pod ephemeral local storage usage exceeds the total limit of containers ${total}. `;
}

function exceededContainer({ pod, containers }: PodUsage): string | undefined {
  for (const used of containers) {
    const limit = limitOf(pod.spec.containers.find(({ name }) => name === used.name));
    if (limit !== undefined && wholeOf(limit) > 0 && containerDiskBytes(used) > wholeOf(limit)) {
      return `Container ${used.name} exceeded its local ephemeral storage limit "${limit}". `;
    }
  }
  return undefined;
}

function limitOf(container: Container | undefined): string | undefined {
  return container?.resources?.limits?.[EPHEMERAL];
}

/** Containers and sidecars together, or the largest init container beside its sidecars. */
function totalLimit(pod: Pod): string | undefined {
  const sidecars: string[] = [];
  const mains: string[] = [];
  const early: string[] = [];
  for (const { container, role } of membersOf(pod)) {
    const limit = limitOf(container);
    if (limit === undefined) continue;
    if (role === "main") mains.push(limit);
    else if (role === "sidecar") sidecars.push(limit);
    else early.push(quantitySum([...sidecars, limit]));
  }
  if (mains.length + sidecars.length + early.length === 0) return undefined;
  const together = quantitySum([...mains, ...sidecars]);
  const overhead = pod.spec.overhead?.[EPHEMERAL];
  const most = early.reduce((a, b) => (nanosOf(b) > nanosOf(a) ? b : a), together);
  return overhead === undefined ? most : quantitySum([most, overhead]);
}
