import type { ContainerUsage } from "../fly/machine-protocol.ts";
import type { PodUsage } from "./usage.ts";

/** What a container takes on disk: what it wrote beside its volumes, and its logs. */
export function containerDiskBytes({ rootBytes = 0, logBytes = 0 }: ContainerUsage): number {
  return rootBytes + logBytes;
}

function containerInodes({ rootInodes = 0, logInodes = 0 }: ContainerUsage): number {
  return rootInodes + logInodes;
}

/** What a Pod's disk limit is about: volumes in memory count as memory. */
export function ephemeralBytes({ containers, volumes }: Disk): number {
  return (
    sumOf(containers, containerDiskBytes) + sumOf(onDisk(volumes), ({ usedBytes }) => usedBytes)
  );
}

export function ephemeralInodes({ containers, volumes }: Disk): number {
  return (
    sumOf(containers, containerInodes) + sumOf(onDisk(volumes), ({ usedInodes }) => usedInodes ?? 0)
  );
}

type Disk = Pick<PodUsage, "containers" | "volumes">;

function onDisk(volumes: PodUsage["volumes"]): PodUsage["volumes"] {
  return volumes.filter(({ capacityBytes }) => capacityBytes === undefined);
}

function sumOf<T>(items: readonly T[], value: (item: T) => number): number {
  return items.reduce((sum, item) => sum + value(item), 0);
}
