import type { FileSystemReading, HostReading } from "../eviction/signals.ts";

/** What something takes of a file system. */
interface Taken {
  readonly bytes?: number | undefined;
  readonly inodes?: number | undefined;
}

/** `FsStats` of stats/v1alpha1: what is taken, beside all the file system has. */
export function fsStats({ bytes, inodes }: FileSystemReading, time: string, taken: Taken): object {
  return {
    time,
    availableBytes: bytes.available,
    capacityBytes: bytes.capacity,
    ...(taken.bytes === undefined ? {} : { usedBytes: taken.bytes }),
    inodesFree: inodes.available,
    inodes: inodes.capacity,
    ...(taken.inodes === undefined ? {} : { inodesUsed: taken.inodes }),
  };
}

/** What the Node's own part of the summary tells of disks and PIDs. */
export function hostStats(
  { atMs, nodeFs, imageFs, pids }: HostReading,
  containers: Taken,
): Readonly<Record<string, object>> {
  const time = new Date(atMs).toISOString();
  const { bytes, inodes } = nodeFs;
  const used = {
    bytes: bytes.capacity - bytes.available,
    inodes: inodes.capacity - inodes.available,
  };
  return {
    fs: fsStats(nodeFs, time, used),
    runtime: {
      imageFs: fsStats(imageFs, time, {}),
      containerFs: fsStats(nodeFs, time, containers),
    },
    rlimit: { time, maxpid: pids.capacity, curproc: pids.capacity - pids.available },
  };
}
