import { ephemeralOf, membersOf, statusesOf } from "../pod/container-roles.ts";
import type { ContainerReading, NodeUsage, PodUsage } from "../usage/usage.ts";

interface Family {
  readonly name: string;
  readonly type: "counter" | "gauge";
  readonly help: string;
  readonly samples: readonly Sample[];
}

interface Sample {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
  /** When it was measured; without it, when it is read. */
  readonly atMs?: number;
}

/**
 * `/metrics/resource`: what metrics-server reads, in the kubelet's own names. The times are those
 * of the measurement, without which a reader cannot tell rates. Pure.
 */
export function resourceMetricsFor(usage: NodeUsage): string {
  const { atMs, pods } = usage;
  const perContainer = (value: (container: ContainerReading) => number): readonly Sample[] =>
    containersOf(pods).map(([pod, container]) => ({
      labels: { container: container.name, ...podLabels(pod) },
      value: value(container),
      atMs: pod.atMs,
    }));
  const perPod = (value: (container: ContainerReading) => number): readonly Sample[] =>
    pods.map((pod) => ({ labels: podLabels(pod), value: sumOf(pod, value), atMs: pod.atMs }));

  return textOf([
    {
      name: "container_cpu_usage_seconds_total",
      type: "counter",
      help: "[STABLE] Cumulative cpu time consumed by the container in core-seconds",
      samples: perContainer(cpuSeconds),
    },
    {
      name: "container_memory_working_set_bytes",
      type: "gauge",
      help: "[STABLE] Current working set of the container in bytes",
      samples: perContainer(workingSet),
    },
    {
      name: "container_start_time_seconds",
      type: "gauge",
      help: "[STABLE] Start time of the container since unix epoch in seconds",
      samples: perContainer(startSeconds).map(({ labels = {}, value }) => ({ labels, value })),
    },
    {
      name: "node_cpu_usage_seconds_total",
      type: "counter",
      help: "[STABLE] Cumulative cpu time consumed by the node in core-seconds",
      samples: [{ value: usage.cpuNanoseconds / 1e9, atMs }],
    },
    {
      name: "node_memory_working_set_bytes",
      type: "gauge",
      help: "[STABLE] Current working set of the node in bytes",
      samples: [{ value: pods.reduce((sum, pod) => sum + sumOf(pod, workingSet), 0), atMs }],
    },
    {
      name: "pod_cpu_usage_seconds_total",
      type: "counter",
      help: "[STABLE] Cumulative cpu time consumed by the pod in core-seconds",
      samples: perPod(cpuSeconds),
    },
    {
      name: "pod_memory_working_set_bytes",
      type: "gauge",
      help: "[STABLE] Current working set of the pod in bytes",
      samples: perPod(workingSet),
    },
    scrapeError(0),
  ]);
}

/** What is left to say when nothing could be measured. */
export function scrapeFailedText(): string {
  return textOf([scrapeError(1)]);
}

function scrapeError(value: 0 | 1): Family {
  return {
    name: "resource_scrape_error",
    type: "gauge",
    help: "[STABLE] 1 if there was an error while getting container metrics, 0 otherwise",
    samples: [{ value }],
  };
}

/** `/metrics/cadvisor`: the names that dashboards are made of, as far as they are known. Pure. */
export function cadvisorMetricsFor({ pods }: NodeUsage): string {
  const perContainer = (value: (container: ContainerReading) => number): readonly Sample[] =>
    containersOf(pods).map(([usage, container]) => ({
      labels: cadvisorLabels(usage, container.name),
      value: value(container),
      atMs: usage.atMs,
    }));
  const perNetwork = (way: "receivedBytes" | "sentBytes"): readonly Sample[] =>
    pods.flatMap(({ network, ...usage }) =>
      network === undefined
        ? []
        : [
            {
              labels: { ...cadvisorLabels(usage, ""), interface: "eth0" },
              value: network[way],
              atMs: usage.atMs,
            },
          ],
    );
  const gauge = (
    name: string,
    help: string,
    value: (container: ContainerReading) => number,
  ): Family => ({ name, type: "gauge", help, samples: perContainer(value) });

  return textOf([
    {
      name: "container_cpu_usage_seconds_total",
      type: "counter",
      help: "Cumulative cpu time consumed in seconds.",
      samples: perContainer(cpuSeconds).map(({ labels = {}, ...sample }) => ({
        ...sample,
        labels: { ...labels, cpu: "total" },
      })),
    },
    gauge(
      "container_memory_usage_bytes",
      "Current memory usage in bytes, including all memory regardless of when it was accessed",
      ({ usageBytes }) => usageBytes,
    ),
    gauge("container_memory_working_set_bytes", "Current working set in bytes.", workingSet),
    gauge("container_memory_rss", "Size of RSS in bytes.", ({ rssBytes }) => rssBytes),
    gauge(
      "container_processes",
      "Number of processes running inside the container.",
      ({ processes }) => processes,
    ),
    gauge(
      "container_start_time_seconds",
      "Start time of the container since unix epoch in seconds.",
      startSeconds,
    ),
    gauge(
      "container_fs_usage_bytes",
      "Number of bytes that are consumed by the container on this filesystem.",
      ({ rootBytes = 0 }) => rootBytes,
    ),
    {
      name: "container_network_receive_bytes_total",
      type: "counter",
      help: "Cumulative count of bytes received",
      samples: perNetwork("receivedBytes"),
    },
    {
      name: "container_network_transmit_bytes_total",
      type: "counter",
      help: "Cumulative count of bytes transmitted",
      samples: perNetwork("sentBytes"),
    },
  ]);
}

function cadvisorLabels({ pod }: Pick<PodUsage, "pod">, container: string): Sample["labels"] & {} {
  const members = [...membersOf(pod), ...ephemeralOf(pod)];
  const member = members.find((one) => one.container.name === container);
  const status = statusesOf(pod).find(({ name }) => name === container);
  return {
    container,
    id: `/fks/pod${pod.metadata.uid}${container === "" ? "" : `/${container}`}`,
    image: member?.container.image ?? "",
    name: (status?.containerID ?? "").replace(/^fks:\/\//, ""),
    ...podLabels({ pod }),
  };
}

function podLabels({ pod }: Pick<PodUsage, "pod">): { namespace: string; pod: string } {
  return { namespace: pod.metadata.namespace, pod: pod.metadata.name };
}

function containersOf(
  pods: readonly PodUsage[],
): readonly (readonly [PodUsage, ContainerReading])[] {
  return pods.flatMap((pod) => pod.containers.map((container) => [pod, container] as const));
}

function sumOf({ containers }: PodUsage, value: (container: ContainerReading) => number): number {
  return containers.reduce((sum, container) => sum + value(container), 0);
}

const cpuSeconds = ({ cpuNanoseconds }: ContainerReading): number => cpuNanoseconds / 1e9;
const workingSet = ({ memoryBytes }: ContainerReading): number => memoryBytes;
const startSeconds = ({ startedAt }: ContainerReading): number => Date.parse(startedAt) / 1_000;

/** The text format of Prometheus; a family without samples is left out. */
function textOf(families: readonly Family[]): string {
  return families
    .filter(({ samples }) => samples.length > 0)
    .map(({ name, type, help, samples }) => {
      const lines = samples.map(
        ({ labels = {}, value, atMs }) =>
          `${name}${labelText(labels)} ${value}${atMs === undefined ? "" : ` ${atMs}`}\n`,
      );
      return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join("")}`;
    })
    .join("");
}

function labelText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function escaped(value: string): string {
  return value.replace(/[\\"\n]/g, (char) => (char === "\n" ? "\\n" : `\\${char}`));
}
