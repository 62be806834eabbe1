import { kubernetesNamespaces } from "#adapters/kubernetes/namespaces.ts";
import type { Rule } from "#adapters/kubernetes/rights.ts";
import {
  type KubernetesVolumeObjects,
  kubernetesVolumeObjects,
} from "#adapters/kubernetes/volume-objects.ts";
import { namespaceApps } from "#core/app/namespace-apps.ts";
import { runController } from "#core/controller/controller.ts";
import { workQueue } from "#core/controller/work-queue.ts";
import { sleep } from "#core/ports/clock.ts";
import { claimKey, volumeKey, volumeReconciler } from "#core/volume/volume-reconciler.ts";
import type { CloudPart, CloudScope } from "./cloud-controller.ts";
import { together } from "./together.ts";

const WORKERS = 4;
const LOOK_MS = 50;

const READ = ["get", "list", "watch"];

const RULES: readonly Rule[] = [
  { apiGroups: [""], resources: ["persistentvolumeclaims"], verbs: [...READ, "patch"] },
  { apiGroups: [""], resources: ["persistentvolumeclaims/status"], verbs: ["patch"] },
  {
    apiGroups: [""],
    resources: ["persistentvolumes"],
    verbs: [...READ, "create", "patch", "delete"],
  },
  { apiGroups: [""], resources: ["nodes"], verbs: ["list", "watch"] },
  { apiGroups: ["storage.k8s.io"], resources: ["storageclasses"], verbs: ["list", "watch"] },
];

/** Claims get Fly volumes, and leave them as their class says. */
export function volumesPart(): CloudPart {
  let waiting: string | undefined = "waiting for the list of claims";
  return {
    rules: RULES,
    waitsFor: () => waiting,

    async run(scope: CloudScope, signal) {
      const { clock, log } = scope.role;
      const { client } = scope.access;
      const objects = kubernetesVolumeObjects({ client, clock, log });
      await together(
        [
          (running) => objects.run(running),
          async (running) => {
            // Half a list says nothing about what is not in it.
            while (!objects.isSynced()) await sleep(clock, LOOK_MS, running);
            waiting = undefined;
            await reconcileAll(scope, objects, running);
          },
        ],
        signal,
      );
    },
  };
}

async function reconcileAll(
  { role, access, platform, events }: CloudScope,
  objects: KubernetesVolumeObjects,
  signal: AbortSignal,
): Promise<void> {
  const { clock, log } = role;
  const { client, clusterUid } = access;
  const queue = workQueue(clock, signal);
  const namespaces = kubernetesNamespaces(client);
  const addClaims = (): void => {
    for (const { metadata } of objects.claims()) {
      queue.add(claimKey(`${metadata.namespace}/${metadata.name}`));
    }
  };
  objects.onClaim((key) => queue.add(claimKey(key)));
  objects.onVolume((name) => {
    queue.add(volumeKey(name));
    const ref = objects.volume(name)?.spec.claimRef;
    if (ref !== undefined) queue.add(claimKey(`${ref.namespace}/${ref.name}`));
  });
  objects.onPlaces(addClaims);
  addClaims();
  for (const { metadata } of objects.volumes()) queue.add(volumeKey(metadata.name));

  const reconcile = volumeReconciler({
    objects,
    volumes: platform.volumes,
    namespaceApps: namespaceApps({ ...platform, namespaces, clusterUid, clock }),
    namespaces,
    clusterUid,
    events,
    log,
  });
  await runController({ queue, reconcile, clock, log, workers: WORKERS }, signal);
}
