import { type Clock, sleep } from "#core/ports/clock.ts";
import type { Log } from "#core/ports/log.ts";
import { type IdentityOf, orphansIn, type ProcessIdentity } from "./child-records.ts";

const GRACE_MS = 3_000;
const LOOK_EVERY_MS = 20;

interface OrphansOptions {
  readonly childrenFile: string;
  readonly identityOf: IdentityOf;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Ends the children of a predecessor that was killed, the last started first: SIGTERM, and
 * SIGKILL after three seconds.
 *
 * Only processes it wrote down, and only when number and start time agree; containers and their
 * monitors are never among them. Resolves with their names when all are gone.
 */
export async function endOrphans(options: OrphansOptions, signal: AbortSignal): Promise<string[]> {
  const orphans = [...orphansIn(options.childrenFile, options.identityOf)].toReversed();
  for (const [child, orphan] of orphans) {
    options.log.warn("child of a killed predecessor is ended", { child, pid: orphan.pid });
    await end(orphan, options, signal);
  }
  return orphans.map(([child]) => child);
}

async function end(
  orphan: ProcessIdentity,
  { identityOf, clock }: OrphansOptions,
  signal: AbortSignal,
): Promise<void> {
  const isAlive = (): boolean => identityOf(orphan.pid)?.startedAt === orphan.startedAt;
  const killAtMs = clock.now() + GRACE_MS;
  send(orphan.pid, "SIGTERM");
  while (isAlive()) {
    if (clock.now() >= killAtMs) send(-orphan.pid, "SIGKILL");
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
