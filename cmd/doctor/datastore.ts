import { existsSync } from "node:fs";
import type { DatastoreAlarm, StatusReport } from "#core/status/report.ts";
import { ALARM_KINDS, ALARMS, type AlarmKind } from "#embedded/control-plane/datastore/alarms.ts";
import { damageOf } from "#embedded/control-plane/datastore/damage.ts";
import { alarmsOf, sizesOf } from "#embedded/control-plane/datastore/sizes.ts";
import { bytesText } from "../bytes-text.ts";
import type { Cluster } from "../cluster.ts";
import { databaseOf } from "../control-plane.ts";
import type { DataPaths } from "../paths.ts";
import { type Check, failed, type Observation, ok, skipped } from "./check.ts";

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
      return seenByFiles(databaseOf(cluster, paths));
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
  const damage = damageOf(database);
  if (damage !== undefined) return failed(`${database} is damaged: ${damage}`);
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
