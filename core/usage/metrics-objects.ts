import type { ContainerReading, NodeUsage, PodUsage } from "./usage.ts";

export const METRICS_GROUP = "metrics.k8s.io";
export const METRICS_VERSION = "v1beta1";
const API_VERSION = `${METRICS_GROUP}/${METRICS_VERSION}`;

/** What a list of nothing but readings is taken over. */
const NO_WINDOW_MS = 15_000;

type Labels = Readonly<Record<string, string>>;

interface Metered extends ContainerReading {
  readonly rate: NonNullable<ContainerReading["rate"]>;
}

/**
 * A PodMetrics; `undefined` while one of its containers has no rate yet, and for a Pod that runs
 * nothing: a sum that lacks something would be taken for the whole. Pure.
 */
export function podMetricsFor({ pod, atMs, containers }: PodUsage): object | undefined {
  const metered = containers.filter(isMetered);
  if (metered.length === 0 || metered.length < containers.length) return undefined;
  const { name, namespace, labels } = pod.metadata;
  return {
    kind: "PodMetrics",
    apiVersion: API_VERSION,
    metadata: { name, namespace, creationTimestamp: timeText(atMs), ...(labels && { labels }) },
    timestamp: timeText(atMs),
    window: windowOf(metered),
    containers: metered.map((container) => ({
      name: container.name,
      usage: usageOf(container.rate.nanoCores, container.memoryBytes),
    })),
  };
}

/** A NodeMetrics: the sum over its Pods. Pure. */
export function nodeMetricsFor({ name, atMs, pods }: NodeUsage, labels: Labels): object {
  const containers = pods.flatMap((pod) => pod.containers);
  const metered = containers.filter(isMetered);
  const nanoCores = metered.reduce((sum, { rate }) => sum + rate.nanoCores, 0);
  const memoryBytes = containers.reduce((sum, container) => sum + container.memoryBytes, 0);
  return {
    kind: "NodeMetrics",
    apiVersion: API_VERSION,
    metadata: { name, creationTimestamp: timeText(atMs), labels },
    timestamp: timeText(atMs),
    window: windowOf(metered),
    usage: usageOf(nanoCores, memoryBytes),
  };
}

export function metricsListOf(
  kind: "PodMetrics" | "NodeMetrics",
  items: readonly object[],
): object {
  return { kind: `${kind}List`, apiVersion: API_VERSION, metadata: {}, items };
}

/** What the group serves, for who asks without knowing. */
export const METRICS_RESOURCES = {
  kind: "APIResourceList",
  apiVersion: "v1",
  groupVersion: API_VERSION,
  resources: [
    {
      name: "nodes",
      singularName: "",
      namespaced: false,
      kind: "NodeMetrics",
      verbs: ["get", "list"],
    },
    {
      name: "pods",
      singularName: "",
      namespaced: true,
      kind: "PodMetrics",
      verbs: ["get", "list"],
    },
  ],
} as const;

const VERSION = { groupVersion: API_VERSION, version: METRICS_VERSION } as const;

export const METRICS_API_GROUP = {
  kind: "APIGroup",
  apiVersion: "v1",
  name: METRICS_GROUP,
  versions: [VERSION],
  preferredVersion: VERSION,
} as const;

/** The same in one document (apidiscovery.k8s.io/v2). */
export const METRICS_DISCOVERY = {
  kind: "APIGroupDiscoveryList",
  apiVersion: "apidiscovery.k8s.io/v2",
  metadata: {},
  items: [
    {
      metadata: { name: METRICS_GROUP },
      versions: [
        {
          version: METRICS_VERSION,
          freshness: "Current",
          resources: METRICS_RESOURCES.resources.map(({ name, kind, namespaced, verbs }) => ({
            resource: name,
            responseKind: { group: METRICS_GROUP, version: METRICS_VERSION, kind },
            scope: namespaced ? "Namespaced" : "Cluster",
            singularResource: "",
            verbs,
          })),
        },
      ],
    },
  ],
} as const;

function isMetered(container: ContainerReading): container is Metered {
  return container.rate !== undefined;
}

/** As metrics-server writes them: thousand-millionths of a core, kibibytes. */
function usageOf(nanoCores: number, memoryBytes: number): { cpu: string; memory: string } {
  return { cpu: `${nanoCores}n`, memory: `${Math.ceil(memoryBytes / 1_024)}Ki` };
}

/** The longest of them, as a Go duration. */
function windowOf(metered: readonly Metered[]): string {
  const windows = metered.map(({ rate }) => rate.windowMs);
  return `${Math.max(NO_WINDOW_MS * Number(windows.length === 0), ...windows) / 1_000}s`;
}

function timeText(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
