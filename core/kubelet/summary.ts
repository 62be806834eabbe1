import type { FileSystemReading, HostReading } from "../eviction/signals.ts";
import type { VolumeUsage } from "../fly/machine-protocol.ts";
import type { Pod } from "../kube/pod.ts";
import { claimWishesFor } from "../pod/claims.ts";
import { ephemeralBytes, ephemeralInodes } from "../usage/disk.ts";
import type { ContainerReading, NodeUsage, PodUsage } from "../usage/usage.ts";
import { fsStats, hostStats } from "./disk-stats.ts";

/** What a Node has in all, in bytes, and what is left of its host. */
export interface NodeSize {
  readonly memoryBytes: number;
  readonly host: HostReading;
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
      ...(!options.onlyCpuAndMemory && hostStats(size.host, rootsOf(containers))),
    },
    pods: usage.pods.map((pod) => podStatsOf(pod, size.host, options)),
  };
}

function podStatsOf(
  { pod, atMs, ...usage }: PodUsage,
  { nodeFs }: HostReading,
  options: SummaryOptions,
): object {
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
      ...(!options.onlyCpuAndMemory && diskOf(container, nodeFs, time)),
    })),
    cpu: cpuOf(containers, atMs),
    memory: memoryOf(containers, atMs),
    ...(!options.onlyCpuAndMemory && {
      ...(networkStats && { network: { ...networkStats, interfaces: [networkStats] } }),
      volume: volumes.map((volume) => ({
        ...volumeStatsOf(volume, nodeFs, time),
        ...claimRefOf(pod, volume),
      })),
      "ephemeral-storage": fsStats(nodeFs, time, {
        bytes: ephemeralBytes(usage),
        inodes: ephemeralInodes(usage),
      }),
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

/** What is not known yet is left out. */
function diskOf(container: ContainerReading, nodeFs: FileSystemReading, time: string): object {
  const { rootBytes, rootInodes, logBytes, logInodes } = container;
  return {
    ...(rootBytes !== undefined && {
      rootfs: fsStats(nodeFs, time, { bytes: rootBytes, inodes: rootInodes }),
    }),
    ...(logBytes !== undefined && {
      logs: fsStats(nodeFs, time, { bytes: logBytes, inodes: logInodes }),
    }),
  };
}

function rootsOf(containers: readonly ContainerReading[]) {
  return {
    bytes: sumOf(containers, ({ rootBytes }) => rootBytes ?? 0),
    inodes: sumOf(containers, ({ rootInodes }) => rootInodes ?? 0),
  };
}

/** One in memory has a size of its own, one on disk what the Node's file system has. */
function volumeStatsOf(volume: VolumeUsage, nodeFs: FileSystemReading, time: string): object {
  const { name, usedBytes, usedInodes, capacityBytes } = volume;
  if (capacityBytes === undefined) {
    return { ...fsStats(nodeFs, time, { bytes: usedBytes, inodes: usedInodes }), name };
  }
  return {
    time,
    name,
    usedBytes,
    capacityBytes,
    availableBytes: Math.max(0, capacityBytes - usedBytes),
    ...(usedInodes === undefined ? {} : { inodesUsed: usedInodes }),
  };
}

/** Which claim a volume is, for those who count by claims. */
function claimRefOf(pod: Pod, { name }: VolumeUsage): object {
  const wish = claimWishesFor(pod).find(({ volume }) => volume === name);
  if (wish === undefined) return {};
  return { pvcRef: { name: wish.claim, namespace: pod.metadata.namespace } };
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
