import { type Clock, sleep } from "#core/ports/clock.ts";
import type { Log } from "#core/ports/log.ts";
import { type IdentityOf, orphansIn, type ProcessIdentity } from "./child-records.ts";

const GRACE_MS = 5_000;
const LOOK_EVERY_MS = 50;

interface OrphansOptions {
  readonly childrenFile: string;
  readonly identityOf: IdentityOf;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Ends the children of a predecessor that was killed: SIGTERM, and SIGKILL after five seconds.
 *
 * Only processes it wrote down, and only when number and start time agree; containers and their
 * monitors are never among them. Resolves with their names when all are gone.
 */
export async function endOrphans(options: OrphansOptions, signal: AbortSignal): Promise<string[]> {
  const { childrenFile, identityOf, clock, log } = options;
  const orphans = [...orphansIn(childrenFile, identityOf)];
  const alive = ({ pid, startedAt }: ProcessIdentity): boolean =>
    identityOf(pid)?.startedAt === startedAt;

  for (const [child, orphan] of orphans) {
    log.warn("child of a killed predecessor is ended", { child, pid: orphan.pid });
    send(orphan.pid, "SIGTERM");
  }
  const killAtMs = clock.now() + GRACE_MS;
  let isKilled = false;
  while (orphans.some(([, orphan]) => alive(orphan))) {
    if (clock.now() >= killAtMs && !isKilled) {
      isKilled = true;
      for (const [, orphan] of orphans) if (alive(orphan)) send(-orphan.pid, "SIGKILL");
    }
    await sleep(clock, LOOK_EVERY_MS, signal);
  }
  return orphans.map(([child]) => child);
}

function send(target: number, signalName: "SIGTERM" | "SIGKILL"): void {
  try {
    process.kill(target, signalName);
  } catch {
    // Gone since we looked.
  }
}
