import { readFileSync } from "node:fs";
import { dataPathsFor } from "#cmd/paths.ts";
import { networkPlanFor } from "#core/fly/network.ts";
import type { Pod } from "#core/kube/pod.ts";
import { foldersFor, ociIdFor } from "#embedded/machines-api/runtime/crun/folders.ts";

/** Where the Pod's first container lies on this host, and what the OCI runtime calls it. */
export function hostPlaceOf(dataDir: string, { status }: Pod) {
  const { clusterFile, machineFolders } = dataPathsFor(dataDir);
  const { networkId } = JSON.parse(readFileSync(clusterFile, "utf8"));
  const folders = foldersFor(networkPlanFor(networkId), machineFolders);
  const { containerID = "" } = status?.containerStatuses?.[0] ?? {};
  const [machineId = "", name = "", attempt = "0"] = containerID.replace("fks://", "").split("-");
  const id = { machineId, name, attempt: Number(attempt) };
  return { ...folders.attempt(id), ociRoot: folders.ociRoot, ociId: ociIdFor(id) };
}
