import type { NamespaceApps } from "../../app/namespace-apps.ts";
import { FksError } from "../../errors.ts";
import type { Machine, MachineConfig } from "../../fly/machine.ts";
import type { Pod } from "../../kube/pod.ts";
import type { ClusterObjects } from "../../ports/cluster.ts";
import type { Machines } from "../../ports/machines.ts";
import type { Pods } from "../../ports/pods.ts";
import { machineNameFor, stampsOf } from "../identity.ts";
import type { Sighting } from "../machine-view.ts";

export interface LaunchDeps {
  readonly machines: Machines;
  readonly pods: Pods;
  readonly cluster: ClusterObjects;
  readonly namespaceApps: NamespaceApps;
  readonly clusterUid: string;
}

export interface LaunchRequest {
  readonly pod: Pod;
  readonly config: MachineConfig;
  readonly region: string;
  /** An earlier launch may have been obeyed: look before asking again. */
  readonly isAmbiguous: boolean;
}

export type Launched =
  | { readonly outcome: "launched" | "adopted"; readonly sighting: Sighting }
  /** The name is taken; `why` says by whom. Try again later. */
  | { readonly outcome: "taken"; readonly why: string }
  /** Another Machine still has one of its volumes. Try again later. */
  | { readonly outcome: "held"; readonly why: string };

/**
 * One Machine for the Pod, whatever happened before: the name is a function of the Pod and unique
 * in its App, so that a second POST meets the first one's Machine. Throws what `Machines` throws.
 */
export async function launch(
  deps: LaunchDeps,
  request: LaunchRequest,
  signal: AbortSignal,
): Promise<Launched> {
  const { machines, namespaceApps } = deps;
  const { pod, config, region, isAmbiguous } = request;
  const { namespace } = pod.metadata;
  const app = await namespaceApps.ensure(namespace, signal);

  const earlier = isAmbiguous ? await own(deps, app, pod, signal) : undefined;
  if (earlier !== undefined) return { outcome: "adopted", sighting: { app, machine: earlier } };

  try {
    const name = machineNameFor(pod.metadata.name);
    const machine = await machines.create(app, { name, region, config }, signal);
    return { outcome: "launched", sighting: { app, machine } };
  } catch (error) {
    if (FksError.is(error, "Conflict")) {
      const met = await whoseName(deps, app, pod, signal);
      if (met !== undefined) return met;
      const isHeld = (config.mounts ?? []).length > 0;
      return isHeld
        ? { outcome: "held", why: error.message }
        : { outcome: "taken", why: "a Machine that is not listed yet" };
    }
    if (FksError.is(error, "NotFound")) namespaceApps.forget(namespace);
    throw error;
  }
}

/** The Pod's own Machine in the App, by the stamps it was created with. */
async function own(
  { machines, clusterUid }: LaunchDeps,
  app: string,
  pod: Pod,
  signal: AbortSignal,
): Promise<Machine | undefined> {
  const { uid } = pod.metadata;
  const stamps = { fks_cluster: clusterUid, fks_pod_uid: uid };
  const found = await machines.list(app, stamps, signal);
  return found.find(({ state }) => state !== "destroyed" && state !== "destroying");
}

/** Who has the name, undefined when nobody is listed with it. Our own Machine is adopted, one of a Pod that is gone is removed. */
async function whoseName(
  deps: LaunchDeps,
  app: string,
  pod: Pod,
  signal: AbortSignal,
): Promise<Launched | undefined> {
  const { machines, pods, cluster, clusterUid } = deps;
  const { namespace, name, uid } = pod.metadata;
  const machine = await named(machines, app, name, signal);
  if (machine === undefined) return undefined;

  const stamps = stampsOf(machine);
  if (stamps?.fks_cluster !== clusterUid) {
    return { outcome: "taken", why: `Machine ${machine.id}, which is not this cluster's` };
  }
  if (stamps.fks_pod_uid === uid) return { outcome: "adopted", sighting: { app, machine } };

  // The other Pod is proven gone when its name is this Pod's by now.
  const current = await pods.read(namespace, name, signal);
  const isProven = stamps.fks_namespace === namespace && current?.metadata.uid === uid;
  if (isProven && (await cluster.clusterUid(signal)) === clusterUid) {
    await machines.destroy(app, machine.id, true, signal);
  }
  return {
    outcome: "taken",
    why: `Machine ${machine.id} of an earlier Pod, which is being removed`,
  };
}

async function named(
  machines: Machines,
  app: string,
  podName: string,
  signal: AbortSignal,
): Promise<Machine | undefined> {
  const wanted = machineNameFor(podName);
  const isIt = ({ name }: Machine): boolean => name === wanted;
  const stamped = (await machines.list(app, { fks_pod: podName }, signal)).find(isIt);
  return stamped ?? (await machines.list(app, {}, signal)).find(isIt);
}
