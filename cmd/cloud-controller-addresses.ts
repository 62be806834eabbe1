import { portChoice } from "#adapters/host/ports.ts";
import { identityFolder } from "#adapters/kubernetes/identity-store.ts";
import {
  registeredUrl,
  registerWebhook,
  WEBHOOK_RULES,
} from "#adapters/kubernetes/mutating-webhook.ts";
import { kubernetesNamespaces } from "#adapters/kubernetes/namespaces.ts";
import { type SelfSignedSpec, selfSigned } from "#adapters/kubernetes/self-signed.ts";
import { serviceFrom } from "#adapters/kubernetes/service-codec.ts";
import { kubernetesServices } from "#adapters/kubernetes/services.ts";
import { watched } from "#adapters/kubernetes/watched.ts";
import { serveWebhook, WEBHOOK_PATH } from "#adapters/webhook/server.ts";
import { namespaceApps } from "#core/app/namespace-apps.ts";
import { runController } from "#core/controller/controller.ts";
import { workQueue } from "#core/controller/work-queue.ts";
import { FksError } from "#core/errors.ts";
import { networkPlanFor } from "#core/fly/network.ts";
import { sleep } from "#core/ports/clock.ts";
import { sweepAddresses } from "#core/service-address/address-sweep.ts";
import { appAddresses } from "#core/service-address/app-addresses.ts";
import { handed } from "#core/service-address/handed.ts";
import { serviceAddressReconciler } from "#core/service-address/settle.ts";
import { takeAddress } from "#core/service-address/take.ts";
import type { CloudPart, CloudScope } from "./cloud-controller.ts";
import { together } from "./together.ts";

const WORKERS = 4;
const HOST = "127.0.0.1";
const FIRST_PORT = 9_443;
const RETRY_MS = 1_000;
/** Somebody may have removed what we registered; and a certificate does not live for ever. */
const LOOK_MS = 60_000;
const CERTIFICATE: SelfSignedSpec = {
  name: "serving-webhook",
  commonName: "fks-node-cloud-controller",
  address: HOST,
};

/** Every Service with a ClusterIP has that address of its namespace's App. */
export function addressesPart(): CloudPart {
  let waiting: string | undefined = "waiting for the list of Services";
  return {
    rules: [
      { apiGroups: [""], resources: ["services"], verbs: ["get", "list", "watch", "patch"] },
      {
        apiGroups: [""],
        resources: ["namespaces"],
        verbs: ["get", "list", "watch", "patch"],
      },
      ...WEBHOOK_RULES,
    ],
    waitsFor: () => waiting,

    async run(scope: CloudScope, signal) {
      const { role, access, platform, events } = scope;
      const { clock, log, cluster } = role;
      const { client, clusterUid } = access;
      const queue = workQueue(clock, signal);
      const list = watched({
        client,
        path: "/api/v1/services",
        decode: serviceFrom,
        clock,
        log,
      });
      const { serviceRange: range } = networkPlanFor(cluster.networkId);
      const namespaces = kubernetesNamespaces(client);
      const deps = {
        ...platform,
        namespaces,
        namespaceApps: namespaceApps({ ...platform, namespaces, clusterUid, clock }),
        withApp: appAddresses(platform.addresses, range),
        services: kubernetesServices(client, list),
        handed: handed(clock),
        range,
        events,
        clusterUid,
        touch: (key: string): void => queue.add(key),
        clock,
        log,
      };
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
            for (; !list.isSynced() && !running.aborted; ) {
              await sleep(clock, 50, running).catch(() => {});
            }
            await together(
              [
                (inner) => runController({ queue, reconcile, clock, log, workers: WORKERS }, inner),
                (inner) => sweepAddresses(deps, inner),
                (inner) =>
                  runWebhook(
                    scope,
                    {
                      range,
                      take: (request, until) => takeAddress(deps, request, until),
                      registered: (reason) => {
                        waiting = reason;
                      },
                    },
                    inner,
                  ),
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

interface WebhookParts {
  readonly range: string;
  readonly take: Parameters<typeof serveWebhook>[0]["take"];
  /** Why Services are not asked about yet; undefined once they are. */
  readonly registered: (waiting: string | undefined) => void;
}

/** Serves the webhook and keeps it registered, and its certificate good, until `signal` aborts. */
async function runWebhook(
  { role, access }: CloudScope,
  { range, take, registered }: WebhookParts,
  signal: AbortSignal,
): Promise<void> {
  const { clock, log, paths } = role;
  const { client } = access;
  const store = identityFolder(paths.identities);
  let tls = await selfSigned(CERTIFICATE, store, clock.now());
  let port = await portBefore(access.client, signal);
  const open = async () =>
    serveWebhook(
      {
        host: HOST,
        listen: await portChoice({ host: HOST, wanted: undefined, first: port }),
        tls,
        range,
        take,
        nameFrom: generated,
        clock,
        log,
      },
      signal,
    );
  let webhook = await open();
  try {
    while (!signal.aborted) {
      let waitMs = LOOK_MS;
      try {
        const next = await selfSigned(CERTIFICATE, store, clock.now());
        const ca = next.cert === tls.cert ? tls.cert : `${tls.cert}\n${next.cert}`;
        ({ port } = webhook);
        await registerWebhook(
          client,
          { url: `https://${HOST}:${port}${WEBHOOK_PATH}`, ca },
          signal,
        );
        if (next.cert !== tls.cert) {
          tls = next;
          await webhook.stop();
          webhook = await open();
        }
        registered(undefined);
      } catch (error) {
        if (signal.aborted) break;
        if (!(error instanceof FksError)) throw error;
        registered(`waiting for the webhook to be registered: ${error.message}`);
        waitMs = RETRY_MS;
      }
      await sleep(clock, waitMs, signal).catch(() => {});
    }
  } finally {
    await webhook.stop();
  }
}

/** The one the API server knows already, so that it need not wait for news. */
async function portBefore(client: CloudScope["access"]["client"], signal: AbortSignal) {
  const url = await registeredUrl(client, signal).catch((error: unknown) => {
    if (error instanceof FksError) return undefined;
    throw error;
  });
  return url === undefined ? FIRST_PORT : Number(new URL(url).port);
}

/** Letters that spell no words. Source: k8s.io/apimachinery, `rand.SafeEncodeString`. */
const SAFE = "bcdfghjklmnpqrstvwxz2456789";
const SERVICE_NAME_MAX = 63;

/** As the API server makes names. */
function generated(generateName: string): string {
  const bytes = crypto.getRandomValues(new Uint8Array(5));
  const suffix = [...bytes].map((byte) => SAFE.charAt(byte % SAFE.length)).join("");
  return `${generateName.slice(0, SERVICE_NAME_MAX - suffix.length)}${suffix}`;
}
