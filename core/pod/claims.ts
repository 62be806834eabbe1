/** The claims a Pod mounts: whose they are, and how its Machine is to show them. Pure. */
import type { MachineConfig, MachineMount } from "../fly/machine.ts";
import type { PersistentVolume, PersistentVolumeClaim } from "../kube/persistent-volume.ts";
import type { Container, Pod, PodVolume } from "../kube/pod.ts";
import { DRIVER, REGION_ANNOTATION } from "../volume/names.ts";
import { membersOf } from "./container-roles.ts";
import type { Finding } from "./fields/check.ts";

/** One volume of a Pod that is a claim's. */
export interface ClaimWish {
  /** As the Pod calls it. */
  readonly volume: string;
  readonly claim: string;
  /** Kubernetes makes the claim for this very Pod. */
  readonly isEphemeral: boolean;
}

export function claimWishesFor({ metadata, spec }: Pod): readonly ClaimWish[] {
  return (spec.volumes ?? []).flatMap(
    ({ name, persistentVolumeClaim, ephemeral }): readonly ClaimWish[] => {
      if (persistentVolumeClaim !== undefined) {
        const claim = persistentVolumeClaim.claimName ?? "";
        return [{ volume: name, claim, isEphemeral: false }];
      }
      const own = `${metadata.name}-${name}`;
      return ephemeral === undefined ? [] : [{ volume: name, claim: own, isEphemeral: true }];
    },
  );
}

export function isClaim({ persistentVolumeClaim, ephemeral }: PodVolume): boolean {
  return (persistentVolumeClaim ?? ephemeral) !== undefined;
}

/** Volumes that no container may write to, whatever its mount says. */
export function readOnlyClaims({ spec }: Pod): ReadonlySet<string> {
  const found = (spec.volumes ?? []).filter(
    ({ persistentVolumeClaim }) => persistentVolumeClaim?.readOnly === true,
  );
  return new Set(found.map(({ name }) => name));
}

/**
 * The Machine's mounts of claims, each still without its volume. With the Machine protocol the
 * bundle says which container sees what; else all of them see a volume at its one path.
 */
export function machineMountsFor(pod: Pod, hasProtocol: boolean): readonly MachineMount[] {
  const taken = new Set<string>();
  return claimWishesFor(pod).flatMap(({ volume: name }): readonly MachineMount[] => {
    const [path] = pathsOf(pod, name);
    if (path === undefined && !hasProtocol) return [];
    const own = path === undefined || taken.has(path) ? `/mnt/${name}` : path;
    taken.add(own);
    return [{ name, path: own }];
  });
}

/** The config with the Fly volume of each claim; on Fly a mount's name would be a volume's. */
export function withClaimedVolumes(
  config: MachineConfig,
  volumes: ReadonlyMap<string, string>,
  hasProtocol: boolean,
): MachineConfig {
  if (config.mounts === undefined) return config;
  const mounts = config.mounts.map(({ name = "", path }) => ({
    volume: volumes.get(name) ?? "",
    path,
    ...(hasProtocol ? { name } : {}),
  }));
  return { ...config, mounts };
}

/** What Fly alone cannot do with claims. */
export function claimFindings(pod: Pod): {
  readonly refused: readonly Finding[];
  readonly approximated: readonly Finding[];
} {
  const field = "spec.volumes";
  const mounted = machineMountsFor(pod, false);
  const refused: Finding[] = [];
  const approximated: Finding[] = [];
  if (mounted.length > 1) {
    const names = mounted.map(({ name }) => `"${name}"`).join(", ");
    refused.push({ field, sentence: `Fly gives a Machine one volume; ${names} are claims.` });
  }
  for (const { name = "" } of mounted) {
    const paths = pathsOf(pod, name);
    if (paths.length > 1) {
      const sentence = `Every container of a Machine sees "${name}" at one path, not at ${paths.join(" and ")}.`;
      refused.push({ field, sentence });
    }
    const others = membersOf(pod).filter(({ container }) => !hasMount(container, name));
    if (others.length === 0) continue;
    const list = others.map(({ container }) => container.name).join(", ");
    approximated.push({ field, sentence: `"${name}" is seen by ${list} too.` });
  }
  return { refused, approximated };
}

function hasMount({ volumeMounts = [] }: Container, volume: string): boolean {
  return volumeMounts.some(({ name }) => name === volume);
}

/** Different ones, in the order of the containers. */
function pathsOf(pod: Pod, volume: string): readonly string[] {
  const mounts = membersOf(pod).flatMap(({ container }) => container.volumeMounts ?? []);
  return [
    ...new Set(mounts.filter(({ name }) => name === volume).map(({ mountPath }) => mountPath)),
  ];
}

/** Why a claim gives no volume yet, in the kubelet's words; undefined when it does. */
export function claimTrouble(
  pod: Pod,
  wish: ClaimWish,
  claim: PersistentVolumeClaim | undefined,
): string | undefined {
  const { namespace, name, uid } = pod.metadata;
  if (claim === undefined) {
    return `failed to fetch PVC from API server: persistentvolumeclaims "${wish.claim}" not found`;
  }
  const owners = claim.metadata.ownerReferences ?? [];
  if (wish.isEphemeral && !owners.some((owner) => owner.uid === uid)) {
    return `PVC ${namespace}/${wish.claim} was not created for pod ${namespace}/${name} (pod is not owner)`;
  }
  if (claim.metadata.deletionTimestamp !== undefined) return "PVC is being deleted";
  const { volumeName } = claim.spec;
  const { phase } = claim.status;
  return phase === "Bound" && volumeName !== ""
    ? undefined
    : `PVC has non-bound phase ("${phase}") or empty pvc.Spec.VolumeName ("${volumeName}")`;
}

/** The words around it. */
export function claimFailure({ metadata }: Pod, { volume, claim }: ClaimWish, why: string): string {
  const what = `unmounted volumes=[${volume}], unattached volumes=[], failed to process volumes=[${volume}]`;
  return `Unable to attach or mount volumes: ${what}: error processing PVC ${metadata.namespace}/${claim}: ${why}`;
}

/** The Fly volume behind a bound claim, or why a Machine in `region` cannot have it. */
export function flyVolumeOf(
  claim: PersistentVolumeClaim,
  volume: PersistentVolume | undefined,
  region: string,
): { readonly id: string } | { readonly trouble: string } {
  const name = claim.spec.volumeName;
  if (volume === undefined) {
    return {
      trouble: `failed to fetch PV ${name} from API server: persistentvolumes "${name}" not found`,
    };
  }
  const { csi, claimRef } = volume.spec;
  if (claimRef?.uid !== claim.metadata.uid) return { trouble: `PV ${name} is not this claim's` };
  if (csi?.driver !== DRIVER) {
    return { trouble: `PV ${name} is no Fly volume: only the driver ${DRIVER} is carried` };
  }
  const place = volume.metadata.annotations[REGION_ANNOTATION] ?? region;
  if (place === region) return { id: csi.volumeHandle };
  const why = `NodeAffinity check failed for volume "${name}" : no matching NodeSelectorTerms`;
  return { trouble: `${why}: the volume is in region ${place}, the Node in ${region}` };
}
