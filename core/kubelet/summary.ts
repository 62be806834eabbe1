import type { ContainerReading, NodeUsage, PodUsage } from "../usage/usage.ts";

/** What a Node has in all, in bytes. */
export interface NodeSize {
  readonly memoryBytes: number;
}

interface SummaryOptions {
  /** Leaves out everything else, as `only_cpu_and_memory=true` asks for. */
  readonly onlyCpuAndMemory: boolean;
}

/** `/stats/summary` in the kubelet's own words (stats/v1alpha1). Pure. */
export function summaryFor(usage: NodeUsage, size: NodeSize, options: SummaryOptions): object {
  const containers = usage.pods.flatMap((pod) => pod.containers);
  const memory = memoryOf(containers, usage.atMs);
  return {
    node: {
      nodeName: usage.name,
      startTime: wholeTime(usage.sinceMs),
      cpu: { ...cpuOf(containers, usage.atMs), usageCoreNanoSeconds: usage.cpuNanoseconds },
      memory: {
        ...memory,
        availableBytes: Math.max(0, size.memoryBytes - memory.workingSetBytes),
      },
    },
    pods: usage.pods.map((pod) => podStatsOf(pod, options)),
  };
}

function podStatsOf({ pod, atMs, ...usage }: PodUsage, options: SummaryOptions): object {
  const { name, namespace, uid, creationTimestamp } = pod.metadata;
  const { containers, network, volumes } = usage;
  const time = timeText(atMs);
  const networkStats = network && {
    time,
    name: "eth0",
    rxBytes: network.receivedBytes,
    txBytes: network.sentBytes,
  };
  return {
    podRef: { name, namespace, uid },
    startTime: pod.status?.startTime ?? creationTimestamp ?? time,
    containers: containers.map((container) => ({
      name: container.name,
      startTime: container.startedAt,
      cpu: cpuOf([container], atMs),
      memory: memoryOf([container], atMs),
      ...(!options.onlyCpuAndMemory && rootOf(container, time)),
    })),
    cpu: cpuOf(containers, atMs),
    memory: memoryOf(containers, atMs),
    ...(!options.onlyCpuAndMemory && {
      ...(networkStats && { network: { ...networkStats, interfaces: [networkStats] } }),
      volume: volumes.map((volume) => ({
        time,
        name: volume.name,
        usedBytes: volume.usedBytes,
        ...(volume.capacityBytes !== undefined && {
          capacityBytes: volume.capacityBytes,
          availableBytes: Math.max(0, volume.capacityBytes - volume.usedBytes),
        }),
      })),
      "ephemeral-storage": { time, usedBytes: ephemeralBytes(usage) },
      process_stats: { process_count: sumOf(containers, ({ processes }) => processes) },
    }),
  };
}

function cpuOf(containers: readonly ContainerReading[], atMs: number): object {
  const hasRates = containers.every(({ rate }) => rate !== undefined);
  return {
    time: timeText(atMs),
    ...(hasRates && { usageNanoCores: sumOf(containers, ({ rate }) => rate?.nanoCores ?? 0) }),
    usageCoreNanoSeconds: sumOf(containers, ({ cpuNanoseconds }) => cpuNanoseconds),
  };
}

function memoryOf(containers: readonly ContainerReading[], atMs: number) {
  return {
    time: timeText(atMs),
    usageBytes: sumOf(containers, ({ usageBytes }) => usageBytes),
    workingSetBytes: sumOf(containers, ({ memoryBytes }) => memoryBytes),
    rssBytes: sumOf(containers, ({ rssBytes }) => rssBytes),
    pageFaults: sumOf(containers, ({ pageFaults }) => pageFaults),
    majorPageFaults: sumOf(containers, ({ majorPageFaults }) => majorPageFaults),
  };
}

function rootOf({ rootBytes }: ContainerReading, time: string): object {
  return rootBytes === undefined ? {} : { rootfs: { time, usedBytes: rootBytes } };
}

/** What a Pod's disk limit is about: volumes in memory count as memory. */
function ephemeralBytes({ containers, volumes }: Omit<PodUsage, "pod" | "atMs">): number {
  const onDisk = volumes.filter(({ capacityBytes }) => capacityBytes === undefined);
  return (
    sumOf(containers, ({ rootBytes }) => rootBytes ?? 0) +
    sumOf(onDisk, ({ usedBytes }) => usedBytes)
  );
}

function sumOf<T>(items: readonly T[], value: (item: T) => number): number {
  return items.reduce((sum, item) => sum + value(item), 0);
}

function timeText(ms: number): string {
  return new Date(ms).toISOString();
}

function wholeTime(ms: number): string {
  return `${timeText(ms).slice(0, 19)}Z`;
}
