import type { Outcome } from "../controller/controller.ts";
import { partsOf } from "./identity.ts";
import { LAG_MS, type ReconcileDeps } from "./steps/turn.ts";
import { isGone } from "./still-there.ts";

const OTHER_CLUSTER_MS = 60_000;

/** No Pod of this UID is known. Once it is proven gone, its Machine goes at once. */
export async function clearUpAfter(
  { pods, view, machines, cluster, clusterUid, log }: ReconcileDeps,
  key: string,
  signal: AbortSignal,
): Promise<Outcome> {
  const { namespace, name, uid } = partsOf(key);
  const left = view.of(uid);
  if (left.length === 0) return {};

  const current = await pods.read(namespace, name, signal);
  if (current?.metadata.uid === uid) return { recheckInMs: LAG_MS };
  if ((await cluster.clusterUid(signal)) !== clusterUid) {
    log.error("another control plane answers: nothing is destroyed", { pod: key });
    return { recheckInMs: OTHER_CLUSTER_MS };
  }
  for (const { app, machine } of left) {
    await machines.destroy(app, machine.id, true, signal);
    log.info("machine of a vanished pod destroyed", { pod: key, machine: machine.id });
    if (await isGone(machines, app, machine.id, signal)) view.drop(machine.id);
  }
  return view.of(uid).length === 0 ? {} : { recheckInMs: LAG_MS };
}
