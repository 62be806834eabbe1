import type { Pod } from "../kube/pod.ts";
import type { ClusterObjects } from "../ports/cluster.ts";
import {
  type ClaimWish,
  claimFailure,
  claimTrouble,
  claimWishesFor,
  flyVolumeOf,
} from "./claims.ts";

export type ClaimResolution =
  /** By the Pod's name of each volume the id of the Fly volume. */
  | { readonly ok: true; readonly volumes: ReadonlyMap<string, string> }
  /** What is not there, in a kubelet's words; it may appear. */
  | { readonly ok: false; readonly missing: string };

/** Asks the API server which Fly volumes the Pod's claims are bound to; its Machine is in `region`. */
export type ResolveClaims = (
  pod: Pod,
  region: string,
  signal: AbortSignal,
) => Promise<ClaimResolution>;

/** Nothing is remembered: a claim is looked at when its Machine is to be made. */
export function claimResolver(cluster: ClusterObjects): ResolveClaims {
  async function volumeOf(pod: Pod, wish: ClaimWish, region: string, signal: AbortSignal) {
    const claim = await cluster.claim(pod, wish.claim, signal);
    const trouble = claimTrouble(pod, wish, claim);
    if (claim === undefined || trouble !== undefined) return { trouble: trouble ?? "" };
    const volume = await cluster.persistentVolume(pod, claim.spec.volumeName, signal);
    return flyVolumeOf(claim, volume, region);
  }

  return async (pod, region, signal) => {
    const volumes = new Map<string, string>();
    for (const wish of claimWishesFor(pod)) {
      const found = await volumeOf(pod, wish, region, signal);
      if ("trouble" in found) return { ok: false, missing: claimFailure(pod, wish, found.trouble) };
      volumes.set(wish.volume, found.id);
    }
    return { ok: true, volumes };
  };
}
