import { readFileSync, statfsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import type { FileSystemReading, HostReading } from "#core/eviction/signals.ts";

/** Where a Node's file systems are. */
interface Places {
  /** Holds what containers write. */
  readonly node: string;
  readonly images: string;
}

/**
 * What the host has left, as a kubelet on Linux finds it out: free memory with what the kernel could
 * drop at once, and every thread as a PID.
 */
export function hostReading({ node, images }: Places, nowMs: number): HostReading {
  const [nodePlace, imagesPlace] = [nearestIn(node), nearestIn(images)];
  return {
    atMs: nowMs,
    memory: memoryIn(textOf("/proc/meminfo")),
    nodeFs: fileSystemAt(nodePlace),
    imageFs: fileSystemAt(imagesPlace),
    isImageFsDedicated: statSync(imagesPlace).dev !== statSync(nodePlace).dev,
    pids: pidsLeft(),
  };
}

/** Source: Linux, `proc_meminfo(5)`; all of it in kibibytes. */
export function memoryIn(meminfo: string): HostReading["memory"] {
  const bytesOf = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(meminfo)?.[1] ?? 0) * 1_024;
  return {
    available: bytesOf("MemFree") + bytesOf("Inactive\\(file\\)"),
    capacity: bytesOf("MemTotal"),
  };
}

/** Of the file system that holds `folder`; available to whoever is not root, as `df` tells it. */
export function fileSystemAt(folder: string): FileSystemReading {
  const { blocks, bavail, bsize, files, ffree } = statfsSync(folder);
  return {
    bytes: { available: bavail * bsize, capacity: blocks * bsize },
    inodes: { available: ffree, capacity: files },
  };
}

/** Nothing may have been stored yet. */
function nearestIn(folder: string): string {
  return statSync(folder, { throwIfNoEntry: false }) === undefined
    ? nearestIn(dirname(folder))
    : folder;
}

function pidsLeft(): HostReading["pids"] {
  const limits = ["pid_max", "threads-max"].map((name) =>
    Number(textOf(`/proc/sys/kernel/${name}`)),
  );
  const capacity = Math.min(...limits);
  const running = Number(/\/(\d+)/.exec(textOf("/proc/loadavg"))?.[1] ?? 0);
  return { available: Math.max(0, capacity - running), capacity };
}

function textOf(file: string): string {
  return readFileSync(file, "utf8");
}
