import type { QuantityFormat } from "../kube/quantity.ts";

/** What is looked at to tell whether a host has enough left, in the kubelet's names. */
export const SIGNALS = [
  "memory.available",
  "nodefs.available",
  "nodefs.inodesFree",
  "imagefs.available",
  "imagefs.inodesFree",
  "pid.available",
] as const;
export type Signal = (typeof SIGNALS)[number];

/** Conditions of a Node; the order in which they are told. */
export const PRESSURES = ["MemoryPressure", "DiskPressure", "PIDPressure"] as const;
export type Pressure = (typeof PRESSURES)[number];

/** What a host lacks, as the kubelet's messages name it. */
export type Starved = "memory" | "ephemeral-storage" | "inodes" | "pids";

/** One look at the host. */
export interface HostReading {
  readonly atMs: number;
  readonly memory: Observation;
  /** Holds what containers write, their logs and their volumes. */
  readonly nodeFs: FileSystemReading;
  /** Holds the images; often the same one. */
  readonly imageFs: FileSystemReading;
  readonly isImageFsDedicated: boolean;
  readonly pids: Observation;
}

export interface FileSystemReading {
  readonly bytes: Observation;
  readonly inodes: Observation;
}

export interface Observation {
  readonly available: number;
  readonly capacity: number;
}

export function observationOf(reading: HostReading, signal: Signal): Observation {
  switch (signal) {
    case "memory.available":
      return reading.memory;
    case "nodefs.available":
      return reading.nodeFs.bytes;
    case "nodefs.inodesFree":
      return reading.nodeFs.inodes;
    case "imagefs.available":
      return reading.imageFs.bytes;
    case "imagefs.inodesFree":
      return reading.imageFs.inodes;
    case "pid.available":
      return reading.pids;
  }
}

export const PRESSURE_OF: Readonly<Record<Signal, Pressure>> = {
  "memory.available": "MemoryPressure",
  "nodefs.available": "DiskPressure",
  "nodefs.inodesFree": "DiskPressure",
  "imagefs.available": "DiskPressure",
  "imagefs.inodesFree": "DiskPressure",
  "pid.available": "PIDPressure",
};

export const STARVED_OF: Readonly<Record<Signal, Starved>> = {
  "memory.available": "memory",
  "nodefs.available": "ephemeral-storage",
  "nodefs.inodesFree": "inodes",
  "imagefs.available": "ephemeral-storage",
  "imagefs.inodesFree": "inodes",
  "pid.available": "pids",
};

export const FORMAT_OF: Readonly<Record<Starved, QuantityFormat>> = {
  memory: "binary",
  "ephemeral-storage": "binary",
  inodes: "decimal",
  pids: "decimal",
};
