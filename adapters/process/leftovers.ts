import { FksError } from "#core/errors.ts";
import { type Clock, sleep } from "#core/ports/clock.ts";
import type { Log } from "#core/ports/log.ts";
import type { ProcessIdentity } from "#core/ports/processes.ts";
import { type IdentityOf, leftoversIn } from "./child-records.ts";
import { type OccupantsOptions, occupantsOf } from "./occupants.ts";

/** K3s needs two or three seconds to close its database. */
const GRACE_MS = 10_000;
const LOOK_EVERY_MS = 20;

interface EndOptions {
  readonly identityOf: IdentityOf;
  readonly clock: Clock;
  readonly log: Log;
}

interface RecordedOptions extends EndOptions {
  readonly childrenFile: string;
}

/**
 * Ends the children of a predecessor that was killed, the last started first: SIGTERM, and
 * SIGKILL after ten seconds.
 *
 * Only processes it wrote down, and only when number and start time agree; containers and their
 * monitors are never among them. Resolves with their names when all are gone.
 */
export async function endRecorded(
  options: RecordedOptions,
  signal: AbortSignal,
): Promise<string[]> {
  const leftovers = [...leftoversIn(options.childrenFile, options.identityOf)].toReversed();
  for (const [child, leftover] of leftovers) {
    options.log.warn("child of a killed predecessor is ended", { child, pid: leftover.pid });
    await endLeftover(leftover, options, signal);
  }
  return leftovers.map(([child]) => child);
}

interface AloneOptions extends EndOptions, OccupantsOptions {
  readonly commandLineOf: (pid: number) => string;
}

/**
 * Ends children of ours that work in `folders` although nobody wrote them down. Call under the
 * lock of the data directory, before anything is started: a second K3s shares the port of the
 * first one silently, and takes its datastore's socket away.
 *
 * Resolves with their command lines when all are gone. Throws `Conflict` naming process and
 * command of a stranger who has a file there open for writing; then nobody is ended.
 */
export async function requireAlone(options: AloneOptions, signal: AbortSignal): Promise<string[]> {
  const { commandLineOf, log } = options;
  const { ours, strangers } = occupantsOf(options);
  const [stranger] = strangers;
  if (stranger !== undefined) {
    const { pid } = stranger.identity;
    throw new FksError(
      "Conflict",
      `process ${pid} (${shown(commandLineOf(pid))}) has ${stranger.path} open: end it first`,
    );
  }
  const commands = ours.map(({ identity }) => shown(commandLineOf(identity.pid)));
  for (const [index, { identity }] of ours.entries()) {
    log.warn("forgotten child is ended", { pid: identity.pid, command: commands[index] });
    await endLeftover(identity, options, signal);
  }
  return commands;
}

/** Ends a child of somebody who is gone, and its group if it leads one. Resolves when it is gone. */
async function endLeftover(
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

function shown(commandLine: string): string {
  return commandLine.replace(/\s+/g, " ").slice(0, 120);
}
