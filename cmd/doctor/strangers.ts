import { commandLineOf, processIdentity } from "#adapters/host/process-identity.ts";
import { strangersIn } from "#adapters/process/strangers.ts";
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
      const all = strangersIn({
        folders: [datastoreFolderOf(cluster, paths)],
        logs: paths.logs,
        identityOf: processIdentity,
      });
      const found = isRunning ? all.filter(({ isOurs }) => !isOurs) : all;
      if (found.length === 0) return ok("nobody else");
      const observed = found
        .map(({ identity: { pid }, isOurs }) => {
          const who = `process ${pid} (${shown(commandLineOf(pid))})`;
          return isOurs ? `${who}, left by a serve that was killed` : who;
        })
        .join(", ");
      return found.every(({ isOurs }) => isOurs)
        ? failed(observed, "start fks-node serve, which ends it")
        : failed(observed);
    },
  };
}

function shown(commandLine: string): string {
  return commandLine.replace(/\s+/g, " ").slice(0, 120);
}
