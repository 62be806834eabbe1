import { type Clock, sleep } from "#core/ports/clock.ts";
import type { Log } from "#core/ports/log.ts";
import { type IdentityOf, orphansIn, type ProcessIdentity } from "./child-records.ts";

/** K3s needs two or three seconds to close its database. */
const GRACE_MS = 10_000;
const LOOK_EVERY_MS = 20;

interface OrphansOptions {
  readonly childrenFile: string;
  readonly identityOf: IdentityOf;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Ends the children of a predecessor that was killed, the last started first: SIGTERM, and
 * SIGKILL after ten seconds.
 *
 * Only processes it wrote down, and only when number and start time agree; containers and their
 * monitors are never among them. Resolves with their names when all are gone.
 */
export async function endOrphans(options: OrphansOptions, signal: AbortSignal): Promise<string[]> {
  const orphans = [...orphansIn(options.childrenFile, options.identityOf)].toReversed();
  for (const [child, orphan] of orphans) {
    options.log.warn("child of a killed predecessor is ended", { child, pid: orphan.pid });
    await endProcess(orphan, options, signal);
  }
  return orphans.map(([child]) => child);
}

interface EndOptions {
  readonly identityOf: IdentityOf;
  readonly clock: Clock;
}

/** Ends a process that is no child of ours, and its group if it leads one. Resolves when it is gone. */
export async function endProcess(
  { pid, startedAt }: ProcessIdentity,
  { identityOf, clock }: EndOptions,
  signal: AbortSignal,
): Promise<void> {
  const isAlive = (): boolean => identityOf(pid)?.startedAt === startedAt;
  const killAtMs = clock.now() + GRACE_MS;
  if (isAlive()) send(pid, "SIGTERM");
  while (isAlive()) {
    if (clock.now() >= killAtMs) {
      send(-pid, "SIGKILL");
      send(pid, "SIGKILL");
    }
    await sleep(clock, LOOK_EVERY_MS, signal);
  }
}

function send(target: number, signalName: "SIGTERM" | "SIGKILL"): void {
  try {
    process.kill(target, signalName);
  } catch {
    // Gone since we looked.
  }
}
