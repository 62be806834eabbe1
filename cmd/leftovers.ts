import { dirname } from "node:path";
import { commandLineOf, processIdentity } from "#adapters/host/process-identity.ts";
import { endRecorded, requireAlone } from "#adapters/process/leftovers.ts";
import type { Clock } from "#core/ports/clock.ts";
import type { Log } from "#core/ports/log.ts";
import type { DataPaths } from "./paths.ts";

interface Leftovers {
  readonly paths: DataPaths;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Ends what a killed predecessor left running: the children it wrote down, and what else of ours
 * works on a datastore. Resolves with their names. Throws `Conflict` naming a process that is not
 * ours and writes to a datastore. Call under the data directory's lock.
 */
export async function endLeftovers(
  { paths, clock, log }: Leftovers,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { childrenFile, logs } = paths;
  const deps = { identityOf: processIdentity, clock, log };
  const recorded = await endRecorded({ childrenFile, ...deps }, signal);
  const folders = [paths.k3s, dirname(paths.kineDatabase)];
  const forgotten = await requireAlone({ folders, logs, commandLineOf, ...deps }, signal);
  return [...recorded, ...forgotten];
}
