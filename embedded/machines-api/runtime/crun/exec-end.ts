import { sleep } from "#core/ports/clock.ts";
import type { ExecTarget } from "./exec-target.ts";
import { pidIn } from "./processes.ts";

/** A runtime that has not told a pid by then hangs itself. */
const PATIENCE_MS = 10_000;
const LOOK_MS = 5;

type RuntimeProcess = Pick<Bun.Subprocess, "exited" | "exitCode" | "signalCode" | "kill">;
type EndTarget = Pick<ExecTarget, "pidFile" | "clock">;

/**
 * The exit code of the runtime's process that runs a command. Abort kills the command's process group
 * inside the container, and with it the runtime.
 */
export async function exitCodeOf(
  runtime: RuntimeProcess,
  target: EndTarget,
  signal: AbortSignal,
): Promise<number> {
  const end = (): void => void endCommand(runtime, target);
  signal.addEventListener("abort", end, { once: true });
  if (signal.aborted) end();
  try {
    return await runtime.exited;
  } finally {
    signal.removeEventListener("abort", end);
  }
}

/**
 * The runtime tells a command's pid only after it has started it: killed in between, it would leave
 * the command behind for good. So its word is waited for.
 */
async function endCommand(runtime: RuntimeProcess, { pidFile, clock }: EndTarget): Promise<void> {
  const deadlineMs = clock.now() + PATIENCE_MS;
  const never = new AbortController().signal;
  // Stopped, because its output was not taken, it would never tell.
  runtime.kill("SIGCONT");
  while (isAlive(runtime) && pidIn(pidFile) === undefined && clock.now() < deadlineMs) {
    await sleep(clock, LOOK_MS, never);
  }
  killGroup(pidFile);
  runtime.kill("SIGKILL");
}

function isAlive({ exitCode, signalCode }: RuntimeProcess): boolean {
  return exitCode === null && signalCode === null;
}

function killGroup(pidFile: string): void {
  const pid = pidIn(pidFile);
  if (pid === undefined) return;
  // The command leads its own group where the runtime made it one; else it is killed alone.
  for (const target of [-pid, pid]) {
    try {
      process.kill(target, "SIGKILL");
    } catch {
      // It ended meanwhile, or leads no group.
    }
  }
}
