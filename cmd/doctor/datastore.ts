import { closeSync, existsSync, openSync, readSync } from "node:fs";
import type { DatastoreAlarm, StatusReport } from "#core/status/report.ts";
import { ALARM_KINDS, ALARMS, type AlarmKind } from "#embedded/control-plane/datastore/alarms.ts";
import { alarmsOf, sizesOf } from "#embedded/control-plane/datastore/sizes.ts";
import { k3sFilesIn } from "#embedded/control-plane/k3s/files.ts";
import { bytesText } from "../bytes-text.ts";
import type { Cluster } from "../cluster.ts";
import type { DataPaths } from "../paths.ts";
import { type Check, failed, type Observation, ok, skipped } from "./check.ts";

/** What every SQLite file begins with. */
const HEADER = "SQLite format 3\0";

interface DatastoreSources {
  readonly paths: DataPaths;
  /** Undefined before the first `serve`. */
  readonly cluster: Cluster | undefined;
  /** What `serve` tells; undefined while it does not run. */
  readonly status: Promise<StatusReport | undefined>;
}

/** Whether the control plane's datastore is well: as `serve` sees it, else by its files. */
export function datastoreCheck({ paths, cluster, status }: DatastoreSources): Check {
  return {
    id: "control-plane.datastore",
    expected: "a datastore that is readable, quick, and has room to grow",
    remedy: "bring it back from a backup with fks-node restore",
    async look() {
      const report = (await status)?.datastore;
      if (report !== undefined) return seenByServe(report.alarms, sizesText(report));
      if (cluster === undefined) return skipped("there is none yet");
      const isK3s = cluster.engine === "k3s";
      return seenByFiles(isK3s ? k3sFilesIn(paths.k3s).database : paths.kineDatabase);
    },
  };
}

function seenByServe(alarms: readonly DatastoreAlarm[], sizes: string): Observation {
  const told = alarms.map(
    ({ kind, sentence, count, lastAt }) =>
      `${kind}: ${sentence} (${count === 1 ? "once" : `${count} times`}, last at ${lastAt})`,
  );
  const text = [sizes, ...told].join("; ");
  const serious = alarms.filter(({ severity }) => severity === "serious").map(({ kind }) => kind);
  return serious.length === 0 ? ok(text) : failed(text, remedyFor(serious));
}

function seenByFiles(database: string): Observation {
  if (!existsSync(database)) return skipped(`${database} is not there yet`);
  const sizes = sizesOf(database);
  if (sizes.sizeBytes > 0 && !isSqlite(database)) {
    return failed(`${database} is no SQLite file`);
  }
  const alarms = alarmsOf(sizes, undefined);
  const told = alarms.map((kind) => `${kind}: ${ALARMS[kind].sentence}`);
  const text = [sizesText(sizes), ...told].join("; ");
  return alarms.length === 0 ? ok(text) : failed(text, remedyFor(alarms));
}

function remedyFor(kinds: readonly string[]): string {
  const known = ALARM_KINDS.filter((kind: AlarmKind) => kinds.includes(kind));
  return [...new Set(known.map((kind) => ALARMS[kind].remedy))].join("; ");
}

function sizesText({
  sizeBytes,
  walBytes,
}: {
  readonly sizeBytes: number;
  readonly walBytes: number;
}): string {
  return `${bytesText(sizeBytes)}, write-ahead log ${bytesText(walBytes)}`;
}

function isSqlite(path: string): boolean {
  const fd = openSync(path, "r");
  try {
    const bytes = Buffer.alloc(HEADER.length);
    readSync(fd, bytes, 0, bytes.length, 0);
    return bytes.toString("latin1") === HEADER;
  } finally {
    closeSync(fd);
  }
}
