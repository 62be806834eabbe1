import { closeSync, readSync } from "node:fs";
import { FksError } from "#core/errors.ts";
import { type Clock, sleep } from "#core/ports/clock.ts";
import type { AttemptFolder } from "./folders.ts";

/** How often the pipe is asked; it cannot be waited for. */
const PIPE_PAUSE_MS = 1;

export const LEAVE_STDIN_OPEN = "--leave-stdin-open";

export interface OciRuntime {
  /** Path of the executable. */
  readonly path: string;
  /** Before every subcommand. */
  readonly args: readonly string[];
}

interface ConmonRequest {
  readonly conmon: string;
  readonly runtime: OciRuntime;
  readonly id: string;
  readonly folder: AttemptFolder;
  readonly exits: string;
  readonly tty: boolean;
  readonly stdin: boolean;
  readonly stdinOnce: boolean;
}

/**
 * Creates a container under a conmon that outlives us, and gives the pid of its first process.
 *
 * conmon answers on a pipe when the runtime is done: without it one would have to guess.
 * Throws FksError `InvalidInput` with the runtime's words when there can be no such container.
 */
export async function createContainer(
  request: ConmonRequest,
  clock: Clock,
  signal: AbortSignal,
): Promise<number> {
  const child = Bun.spawn(conmonArgs(request), {
    // Some versions of conmon note an OOM kill in their working directory as well.
    cwd: request.folder.persist,
    stdio: ["ignore", "ignore", "ignore", "pipe"],
    // Log lines carry the local time: ours are in UTC.
    env: { PATH: process.env["PATH"] ?? "", TZ: "UTC", _OCI_SYNCPIPE: "3" },
  });
  const pipe: unknown = child.stdio[3];
  if (typeof pipe !== "number") throw new TypeError("conmon's pipe is no file descriptor");
  try {
    const answer = parsed(await lineFrom(pipe, clock, signal));
    if (answer.pid > 0) return answer.pid;
    throw new FksError("InvalidInput", answer.message);
  } finally {
    closeSync(pipe);
    await child.exited;
  }
}

function conmonArgs(request: ConmonRequest): string[] {
  const { conmon, runtime, id, folder, exits, tty, stdin, stdinOnce } = request;
  const options = {
    "-c": id,
    "-u": id,
    "-n": id,
    "-r": runtime.path,
    "-b": folder.bundle,
    "-p": folder.pid,
    "-P": folder.conmonPid,
    "--exit-dir": exits,
    "--persist-dir": folder.persist,
    "-l": `k8s-file:${folder.log}`,
  };
  return [
    conmon,
    "--api-version",
    "1",
    ...Object.entries(options).flat(),
    ...runtime.args.map((arg) => `--runtime-arg=${arg}`),
    "--no-sync-log",
    "--full-attach",
    ...(tty ? ["-t"] : []),
    ...(stdin ? ["-i"] : []),
    ...(stdin && !stdinOnce ? [LEAVE_STDIN_OPEN] : []),
  ];
}

async function lineFrom(pipe: number, clock: Clock, signal: AbortSignal): Promise<string> {
  const buffer = Buffer.alloc(8_192);
  let text = "";
  for (;;) {
    const count = readNow(pipe, buffer);
    if (count === 0) return text;
    if (count === undefined) {
      await sleep(clock, PIPE_PAUSE_MS, signal);
      continue;
    }
    text += buffer.toString("utf8", 0, count);
    if (text.includes("\n")) return text;
  }
}

/** Bytes read, 0 at the end, undefined when there is nothing yet. */
function readNow(pipe: number, buffer: Buffer): number | undefined {
  try {
    return readSync(pipe, buffer);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EAGAIN") return undefined;
    throw error;
  }
}

function parsed(line: string): { readonly pid: number; readonly message: string } {
  const data = Number(/"(?:data|pid)":\s*(-?\d+)/.exec(line)?.[1] ?? -1);
  const quoted = /"message":\s*("(?:[^"\\]|\\.)*")/.exec(line)?.[1];
  const words = quoted === undefined ? "" : String(JSON.parse(quoted)).trim();
  return { pid: data, message: words === "" ? "conmon ended without an answer" : saidIn(words) };
}

/** runc writes lines of a log, `time=… level=error msg="…"`: what it says stands in the last one. */
function saidIn(words: string): string {
  const message = words.match(/(?<=\bmsg=)"(?:[^"\\]|\\.)*"/g)?.at(-1);
  return message === undefined ? words : String(JSON.parse(message));
}
