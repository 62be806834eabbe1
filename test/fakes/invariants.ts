import type { PodStatus } from "#core/kube/pod.ts";
import { stampsOf } from "#core/pod/identity.ts";
import type { PodControllerDeps } from "#core/pod/pod-controller.ts";
import type { MemoryWorld } from "./machines.ts";
import type { MemoryCluster } from "./memory-cluster.ts";

/** Watches over what must never happen, whatever goes wrong; `broken` tells what did. */
export interface Invariants {
  readonly broken: readonly string[];
  /** The same parts, every obeyed call looked at. */
  readonly watching: (deps: PodControllerDeps) => PodControllerDeps;
}

const ROOMY = new Set(["failed", "launch_failed", "destroying"]);

export function invariants(world: MemoryWorld, cluster: MemoryCluster): Invariants {
  const broken: string[] = [];

  world.onChange(() => {
    const uids = world.all().map(({ machine }) => stampsOf(machine)?.fks_pod_uid);
    if (new Set(uids).size !== uids.length) broken.push("two Machines for one Pod");
  });

  function uidOf(id: string): string | undefined {
    const found = world.all().find(({ machine }) => machine.id === id);
    return found === undefined ? undefined : stampsOf(found.machine)?.fks_pod_uid;
  }

  function beforeDestroy(id: string): void {
    const uid = uidOf(id);
    const state = world.all().find(({ machine }) => machine.id === id)?.machine.state ?? "failed";
    const pod = cluster.ours().find(({ metadata }) => metadata.uid === uid);
    const isWanted = pod !== undefined && pod.metadata.deletionTimestamp === undefined;
    if (isWanted && !ROOMY.has(state)) broken.push(`Machine ${id} destroyed under its Pod`);
  }

  function beforeRemove(uid: string): void {
    const left = world.all().filter(({ machine }) => stampsOf(machine)?.fks_pod_uid === uid);
    if (left.length > 0) broken.push(`Pod ${uid} removed before its Machine`);
  }

  function beforePatch(uid: string, status: PodStatus): void {
    const old = cluster.all().find(({ metadata }) => metadata.uid === uid)?.status?.phase;
    const isOver = old === "Failed" || old === "Succeeded";
    if (isOver && status.phase !== old) broken.push(`Pod ${uid} left its phase ${old}`);
    const runs = status.containerStatuses?.some(({ state }) => state?.running) === true;
    if (!isOver && status.phase === "Failed" && runs)
      broken.push(`Pod ${uid} Failed while it runs`);
  }

  return {
    broken,
    watching: (deps) => ({
      ...deps,
      machines: {
        ...deps.machines,
        destroy: (app, id, force, signal) => {
          beforeDestroy(id);
          return deps.machines.destroy(app, id, force, signal);
        },
      },
      pods: {
        ...deps.pods,
        remove: (pod, signal) => {
          beforeRemove(pod.metadata.uid);
          return deps.pods.remove(pod, signal);
        },
        patchStatus: (pod, status, signal) => {
          beforePatch(pod.metadata.uid, status);
          return deps.pods.patchStatus(pod, status, signal);
        },
      },
    }),
  };
}
