import { z } from "zod";
import { FksError } from "#core/errors.ts";
import type { KubernetesClient } from "./client.ts";
import { decoderOf, ignored } from "./decode.ts";

const NAMESPACE = "kube-system";
const SERVICE = "fks-metrics";
const API_SERVICE = "v1beta1.metrics.k8s.io";
const MANAGED_BY = { "app.kubernetes.io/managed-by": "fks-node" };
const PORT_NAME = "https";

/** The name that the API server finds on our certificate. */
export const METRICS_SERVICE_NAME = `${SERVICE}.${NAMESPACE}.svc`;

const METRICS_API_SERVICE_PATH = `/apis/apiregistration.k8s.io/v1/apiservices/${API_SERVICE}`;

interface Registration {
  readonly client: KubernetesClient;
  /** PEM of the CA that signed our certificate. */
  readonly ca: string;
  readonly address: string;
  readonly port: number;
}

const labelledFrom = decoderOf(
  z.object({ metadata: z.object({ labels: z.record(z.string(), z.string()).default({}) }) }),
  "APIService",
);

/**
 * Tells the API server that `metrics.k8s.io` is served by us. False when somebody else serves it,
 * such as metrics-server: then it stays theirs. Idempotent.
 */
export async function registerMetricsApi(
  { client, ca, address, port }: Registration,
  signal: AbortSignal,
): Promise<boolean> {
  if (await isForeign(client, signal)) return false;

  const apply = (path: string, body: object): Promise<void> =>
    client.patch(
      { path: `${path}?fieldManager=fks-node&force=true`, type: "apply-patch", body },
      ignored,
      signal,
    );
  const metadata = { name: SERVICE, namespace: NAMESPACE, labels: MANAGED_BY };
  await apply(`/api/v1/namespaces/${NAMESPACE}/services/${SERVICE}`, {
    apiVersion: "v1",
    kind: "Service",
    metadata,
    // The API server dials the endpoint itself; nobody else has to route this.
    spec: { clusterIP: "None", ports: [{ name: PORT_NAME, port: 443, targetPort: port }] },
  });
  await apply(`/apis/discovery.k8s.io/v1/namespaces/${NAMESPACE}/endpointslices/${SERVICE}`, {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { ...metadata, labels: { ...MANAGED_BY, "kubernetes.io/service-name": SERVICE } },
    addressType: address.includes(":") ? "IPv6" : "IPv4",
    endpoints: [{ addresses: [address], conditions: { ready: true } }],
    ports: [{ name: PORT_NAME, port, protocol: "TCP" }],
  });
  await apply(METRICS_API_SERVICE_PATH, {
    apiVersion: "apiregistration.k8s.io/v1",
    kind: "APIService",
    metadata: { name: API_SERVICE, labels: MANAGED_BY },
    spec: {
      group: "metrics.k8s.io",
      version: "v1beta1",
      service: { namespace: NAMESPACE, name: SERVICE, port: 443 },
      caBundle: Buffer.from(ca).toString("base64"),
      groupPriorityMinimum: 100,
      versionPriority: 100,
    },
  });
  return true;
}

async function isForeign(client: KubernetesClient, signal: AbortSignal): Promise<boolean> {
  try {
    const { labels } = (await client.get(METRICS_API_SERVICE_PATH, labelledFrom, signal)).metadata;
    return Object.entries(MANAGED_BY).some(([name, value]) => labels[name] !== value);
  } catch (error) {
    if (FksError.is(error, "NotFound")) return false;
    throw error;
  }
}
