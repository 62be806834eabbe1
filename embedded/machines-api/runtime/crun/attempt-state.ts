import { readFileSync } from "node:fs";
import { rename, writeFile } from "node:fs/promises";
import { z } from "zod";
import type { AttemptFolder } from "./folders.ts";
import { INIT_PATH } from "./oci-mounts.ts";
import { bootId, commandLineOf, type HostProcess, isRunning } from "./processes.ts";

/** What a new process of ours must know about a container that an earlier one started. */
const attemptState = z.object({
  pid: z.number().int().positive(),
  startTicks: z.number(),
  bootId: z.string(),
  startedAtMs: z.number(),
});

export type AttemptState = Readonly<z.infer<typeof attemptState>>;

/** Written after a container was created and before it starts. */
export async function saveAttempt(
  folder: AttemptFolder,
  process: HostProcess,
  startedAtMs: number,
): Promise<void> {
  const state: AttemptState = { ...process, bootId: bootId(), startedAtMs };
  await writeFile(`${folder.state}.new`, JSON.stringify(state));
  await rename(`${folder.state}.new`, folder.state);
}

/** Undefined when it was never created, or only half. */
export function readAttempt(folder: AttemptFolder): AttemptState | undefined {
  try {
    return attemptState.parse(JSON.parse(readFileSync(folder.state, "utf8")));
  } catch {
    return undefined;
  }
}

/** Whether its first process lives: the same process, of the same boot. */
export function isAlive(state: AttemptState): boolean {
  return state.bootId === bootId() && isRunning(state);
}

/** Created but never told to start: the runtime still waits in place of our init. */
export function isOnlyCreated(state: AttemptState): boolean {
  return isAlive(state) && commandLineOf(state.pid)[0] !== INIT_PATH;
}

/** The namespace of its processes, for others to join; undefined once it has ended. */
export function processesOf(folder: AttemptFolder): string | undefined {
  const state = readAttempt(folder);
  return state !== undefined && isAlive(state) ? `/proc/${state.pid}/ns/pid` : undefined;
}
