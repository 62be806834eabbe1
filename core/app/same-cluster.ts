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
  const { uid } = (await namespaces.read("kube-system", signal)).metadata;
  if (uid === clusterUid) return;
  throw new FksError("Conflict", `the control plane is cluster ${uid}, not ${clusterUid}`);
}
