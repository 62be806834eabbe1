import { namespaceFrom } from "#adapters/kubernetes/namespace-codec.ts";
import { kubernetesNamespaces } from "#adapters/kubernetes/namespaces.ts";
import { reclaimPolicies } from "#adapters/kubernetes/volume-objects.ts";
import { type Watched, watched } from "#adapters/kubernetes/watched.ts";
import { sweepApps } from "#core/app/app-sweep.ts";
import type { ReclaimPolicies } from "#core/app/clean-app.ts";
import { namespaceReconciler } from "#core/app/namespace-reconciler.ts";
import { runController } from "#core/controller/controller.ts";
import { workQueue } from "#core/controller/work-queue.ts";
import type { Namespace } from "#core/kube/namespace.ts";
import type { CloudPart, CloudScope } from "./cloud-controller.ts";
import { together } from "./together.ts";

const WORKERS = 8;

/** Every namespace has its App's label, and leaves nothing on Fly when it goes. */
export function namespacesPart(): CloudPart {
  let list: Watched<Namespace> | undefined;
  return {
    rules: [
      {
        apiGroups: [""],
        resources: ["namespaces"],
        verbs: ["get", "list", "watch", "patch"],
      },
      { apiGroups: [""], resources: ["persistentvolumes"], verbs: ["list"] },
    ],
    waitsFor: () => (list?.isSynced() === true ? undefined : "waiting for the list of namespaces"),

    async run(scope: CloudScope, signal) {
      const { role, access, platform, events } = scope;
      const { clock, log } = role;
      const { client, clusterUid } = access;
      const queue = workQueue(clock, signal);
      const all = watched({
        client,
        path: "/api/v1/namespaces",
        decode: namespaceFrom,
        clock,
        log,
      });
      all.onChange((name) => queue.add(name));
      list = all;
      const namespaces = kubernetesNamespaces(client);
      const policies = (until: AbortSignal): ReturnType<ReclaimPolicies> =>
        reclaimPolicies(client, until);
      const deps = {
        ...platform,
        reclaimPolicies: policies,
        namespaces,
        events,
        clusterUid,
        clock,
        log,
      };
      const reconcile = namespaceReconciler(deps);
      await together(
        [
          (running) => all.run(running),
          (running) => runController({ queue, reconcile, clock, log, workers: WORKERS }, running),
          (running) => sweepApps(deps, running),
        ],
        signal,
      );
    },
  };
}
