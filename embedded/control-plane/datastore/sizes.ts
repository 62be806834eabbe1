import { existsSync, statfsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { type AlarmKind, FREE_MIB_MIN, MIB, WAL_MIB_MAX } from "./alarms.ts";

export interface DatastoreSizes {
  /** Of the SQLite file, without what is still in the write-ahead log. */
  readonly sizeBytes: number;
  readonly walBytes: number;
  /** What is left where it is. */
  readonly freeBytes: number;
}

/** How large a datastore is; files that are not there have no bytes. */
export function sizesOf(database: string): DatastoreSizes {
  const { bavail, bsize } = statfsSync(nearestFolder(dirname(database)));
  return {
    sizeBytes: bytesOf(database),
    walBytes: bytesOf(`${database}-wal`),
    freeBytes: bavail * bsize,
  };
}

/** What is wrong with these sizes. Pure. */
export function alarmsOf(
  { walBytes, freeBytes }: DatastoreSizes,
  before: DatastoreSizes | undefined,
): readonly AlarmKind[] {
  // Its file never gets shorter while somebody has it open: only growing means anything.
  const grows = before !== undefined && walBytes > before.walBytes;
  return [
    ...(grows && walBytes > WAL_MIB_MAX * MIB ? (["wal-size"] as const) : []),
    ...(freeBytes < FREE_MIB_MIN * MIB ? (["low-space"] as const) : []),
  ];
}

/** Before the first start there is not even a folder. */
function nearestFolder(path: string): string {
  return existsSync(path) ? path : nearestFolder(dirname(path));
}

function bytesOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
