import { identityFolder } from "#adapters/kubernetes/identity-store.ts";
import {
  registeredUrl,
  registerWebhook,
  WEBHOOK_RULES,
} from "#adapters/kubernetes/mutating-webhook.ts";
import { kubernetesNamespaces } from "#adapters/kubernetes/namespaces.ts";
import { selfSigned } from "#adapters/kubernetes/self-signed.ts";
import { serviceFrom } from "#adapters/kubernetes/service-codec.ts";
import { kubernetesServices } from "#adapters/kubernetes/services.ts";
import { type Watched, watched } from "#adapters/kubernetes/watched.ts";
import { namespaceApps } from "#core/app/namespace-apps.ts";
import { runController } from "#core/controller/controller.ts";
import { workQueue } from "#core/controller/work-queue.ts";
import { networkPlanFor } from "#core/fly/network.ts";
import type { Service } from "#core/kube/service.ts";
import { sleep } from "#core/ports/clock.ts";
import { type AddressSweepDeps, sweepAddresses } from "#core/service-address/address-sweep.ts";
import { appAddresses } from "#core/service-address/app-addresses.ts";
import { handed } from "#core/service-address/handed.ts";
import { serviceAddressReconciler } from "#core/service-address/settle.ts";
import { takeAddress } from "#core/service-address/take.ts";
import type { CloudPart, CloudScope } from "./cloud-controller.ts";
import { runWebhook, WEBHOOK_HOST } from "./cloud-controller-webhook.ts";
import { together } from "./together.ts";

const WORKERS = 4;
const LOOK_MS = 50;
const CERTIFICATE = {
  name: "serving-webhook",
  commonName: "fks-node-cloud-controller",
  address: WEBHOOK_HOST,
};
const READ = ["get", "list", "watch"];

/** Every Service with a ClusterIP has that address of its namespace's App. */
export function addressesPart(): CloudPart {
  let reason: string | undefined = "waiting for the list of Services";
  const waiting = (text: string | undefined): void => {
    reason = text;
  };
  return {
    rules: [
      { apiGroups: [""], resources: ["services", "namespaces"], verbs: [...READ, "patch"] },
      ...WEBHOOK_RULES,
    ],
    waitsFor: () => reason,

    async run(scope: CloudScope, signal) {
      const { clock, log } = scope.role;
      const { client } = scope.access;
      const queue = workQueue(clock, signal);
      const path = "/api/v1/services";
      const list = watched({ client, path, decode: serviceFrom, clock, log });
      const deps = depsOf(scope, list, (key) => queue.add(key));
      list.onChange((key) => {
        const service = list.get(key);
        if (service !== undefined) deps.handed.seen(service);
        queue.add(key);
      });
      const reconcile = serviceAddressReconciler(deps);

      await together(
        [
          (running) => list.run(running),
          async (running) => {
            // Half a list says nothing about who has an address.
            while (!list.isSynced()) await sleep(clock, LOOK_MS, running);
            await together(
              [
                (inner) => runController({ queue, reconcile, clock, log, workers: WORKERS }, inner),
                (inner) => sweepAddresses(deps, inner),
                (inner) => askUs(scope, deps, waiting, inner),
              ],
              running,
            );
          },
        ],
        signal,
      );
    },
  };
}

function depsOf(
  { role, access, platform, events }: CloudScope,
  list: Watched<Service>,
  touch: (key: string) => void,
): AddressSweepDeps {
  const { clock, log, cluster } = role;
  const { client, clusterUid } = access;
  const { serviceRange: range } = networkPlanFor(cluster.networkId);
  const namespaces = kubernetesNamespaces(client);
  return {
    apps: platform.apps,
    namespaces,
    namespaceApps: namespaceApps({ ...platform, namespaces, clusterUid, clock }),
    withApp: appAddresses(platform.addresses, range),
    services: kubernetesServices(client, list),
    handed: handed(clock),
    range,
    events,
    clusterUid,
    touch,
    clock,
    log,
  };
}

/** Has the API server ask us about every new Service. */
function askUs(
  { role, access }: CloudScope,
  deps: AddressSweepDeps,
  waiting: (reason: string | undefined) => void,
  signal: AbortSignal,
): Promise<void> {
  const { client } = access;
  const store = identityFolder(role.paths.identities);
  return runWebhook(
    {
      role,
      range: deps.range,
      take: (request, until) => takeAddress(deps, request, until),
      certificate: () => selfSigned(CERTIFICATE, store, role.clock.now()),
      urlBefore: (until) => registeredUrl(client, until),
      register: (at, until) => registerWebhook(client, at, until),
      waiting,
    },
    signal,
  );
}
