import { existsSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { FksError } from "#core/errors.ts";
import type { ExitStatus } from "#core/fly/machine-protocol.ts";
import type { ExecRequest } from "#core/ports/machine-protocol.ts";
import { exitCodeOf } from "./exec-end.ts";
import { type ExecTarget, execArgvFor, execProcessFor } from "./exec-target.ts";
import { execWithTerminal } from "./exec-terminal.ts";
import type { OciConfig } from "./oci-config.ts";
import { pumpIn, pumpOut } from "./pump.ts";

/** A shell's word for a command that is not there. */
const NOT_FOUND_EXIT_CODE = 127;

const SIGNAL_BASE = 128;
const SIGNAL_MAX = 64;

/**
 * Runs a command in a container and gives its exit code once all it wrote was taken; the output
 * streams stay open. Abort kills the command's process group inside the container.
 * Throws FksError `InvalidInput` without a command.
 */
export async function execInContainer(
  target: ExecTarget,
  request: ExecRequest,
  signal: AbortSignal,
): Promise<ExitStatus> {
  if (request.command.length === 0) throw new FksError("InvalidInput", "no command to execute");
  signal.throwIfAborted();
  await mkdir(dirname(target.pidFile), { recursive: true });
  const config: OciConfig = JSON.parse(await readFile(target.config, "utf8"));
  await writeFile(target.processFile, JSON.stringify(execProcessFor(config, request)), {
    mode: 0o600,
  });
  try {
    const run = request.tty ? execWithTerminal : execWithPipes;
    const ended = await run(target, request, signal);
    signal.throwIfAborted();
    // Without a pid the command never ran; the runtime's own code says nothing.
    const code = ended !== 0 && !existsSync(target.pidFile) ? NOT_FOUND_EXIT_CODE : ended;
    const number = code - SIGNAL_BASE;
    const hasSignal = number > 0 && number <= SIGNAL_MAX;
    return hasSignal ? { exitCode: code, signal: number } : { exitCode: code };
  } finally {
    await Promise.all([rm(target.pidFile, { force: true }), rm(target.processFile)]);
  }
}

async function execWithPipes(
  target: ExecTarget,
  request: ExecRequest,
  signal: AbortSignal,
): Promise<number> {
  const { stdin, stdout, stderr } = request;
  const child = Bun.spawn(execArgvFor(target), {
    stdin: stdin === undefined ? "ignore" : "pipe",
    stdout: "pipe",
    stderr: "pipe",
    lazy: true,
  });
  const ended = new AbortController();
  const options = { ended: child.exited, clock: target.clock };
  const outputs = [pumpOut(child.stdout, stdout, options), pumpOut(child.stderr, stderr, options)];
  const input =
    stdin === undefined || child.stdin === undefined
      ? undefined
      : pumpIn(stdin, child.stdin, ended.signal);
  const code = await exitCodeOf(child, target, signal);
  ended.abort();
  await Promise.all([...outputs, input]);
  return code;
}
