import { FksError } from "../errors.ts";
import type { Namespaces } from "../ports/namespaces.ts";

export interface SameClusterDeps {
  readonly namespaces: Pick<Namespaces, "read">;
  readonly clusterUid: string;
}

/** Throws `Conflict` when another control plane answers by now: then its word proves nothing. */
export async function requireSameCluster(
  { namespaces, clusterUid }: SameClusterDeps,
  signal: AbortSignal,
): Promise<void> {
  refuseOther((await namespaces.read("kube-system", signal)).metadata.uid, clusterUid);
}

/** Throws `Conflict` unless both are the same cluster's. */
export function refuseOther(actual: string, clusterUid: string): void {
  if (actual === clusterUid) return;
  throw new FksError("Conflict", `the control plane is cluster ${actual}, not ${clusterUid}`);
}
