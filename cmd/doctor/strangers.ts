import { commandLineOf, processIdentity } from "#adapters/host/process-identity.ts";
import { type Occupant, occupantsOf } from "#adapters/process/occupants.ts";
import type { StatusReport } from "#core/status/report.ts";
import type { Cluster } from "../cluster.ts";
import { datastoreFolderOf } from "../control-plane.ts";
import type { DataPaths } from "../paths.ts";
import { type Check, failed, ok, skipped } from "./check.ts";

interface StrangerSources {
  readonly paths: DataPaths;
  /** Undefined before the first `serve`. */
  readonly cluster: Cluster | undefined;
  /** What `serve` tells; undefined while it does not run. */
  readonly status: Promise<StatusReport | undefined>;
}

/** Whether somebody else has the datastore open, who would lock it or end what we start. */
export function strangersCheck({ paths, cluster, status }: StrangerSources): Check {
  return {
    id: "control-plane.strangers",
    expected: "nobody writes to the datastore but children of a running serve",
    remedy: "end that process, then run fks-node serve again",
    async look() {
      if (cluster === undefined) return skipped("there is no cluster yet");
      const isRunning = (await status) !== undefined;
      const { ours, strangers } = occupantsOf({
        folders: [datastoreFolderOf(cluster, paths)],
        logs: paths.logs,
        identityOf: processIdentity,
      });
      const leftovers = isRunning ? [] : ours;
      if (leftovers.length + strangers.length === 0) return ok("nobody else");
      const observed = [
        ...strangers.map(named),
        ...leftovers.map((it) => `${named(it)}, left by a serve that was killed`),
      ].join(", ");
      return strangers.length === 0
        ? failed(observed, "start fks-node serve, which ends it")
        : failed(observed);
    },
  };
}

function named({ identity: { pid } }: Occupant): string {
  const commandLine = commandLineOf(pid).replace(/\s+/g, " ").slice(0, 120);
  return `process ${pid} (${commandLine})`;
}
