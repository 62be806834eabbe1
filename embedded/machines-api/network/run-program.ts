import { FksError } from "#core/errors.ts";
import { PROGRAM_PATH } from "../program-path.ts";

/** Longest part of a program's own words that an error repeats. */
const MESSAGE_MAX_CHARS = 500;

/**
 * Runs a host program to its end and gives what it wrote. Abort kills it.
 *
 * Throws FksError `Unsupported` when the program is not installed, `Unavailable` with its own words
 * when it ended with another code than 0.
 */
export function runProgram(argv: readonly string[], signal: AbortSignal): Promise<string> {
  return feedProgram(argv, undefined, signal);
}

/** The same for a program that reads its orders from standard input. */
export async function feedProgram(
  argv: readonly string[],
  input: string | undefined,
  signal: AbortSignal,
): Promise<string> {
  signal.throwIfAborted();
  const child = spawned(argv, input, signal);
  const [stdout, stderr, code] = await Promise.all([
    child.stdout.text(),
    child.stderr.text(),
    child.exited,
  ]);
  signal.throwIfAborted();
  if (code === 0) return stdout;
  const words = (stderr.trim() || stdout.trim()).slice(-MESSAGE_MAX_CHARS);
  throw new FksError("Unavailable", `${argv[0]} failed with code ${code}: ${words}`);
}

/** Runs a host program whose failure says nothing new: what it should remove is gone already. */
export function tryProgram(argv: readonly string[], signal: AbortSignal): Promise<boolean> {
  return succeeded(runProgram(argv, signal));
}

/** Whether a program ended well. Throws when it could not be run at all. */
export async function succeeded(running: Promise<string>): Promise<boolean> {
  try {
    await running;
    return true;
  } catch (error) {
    if (FksError.is(error, "Unavailable")) return false;
    throw error;
  }
}

function spawned(
  [name = "", ...args]: readonly string[],
  input: string | undefined,
  signal: AbortSignal,
) {
  try {
    return Bun.spawn([Bun.which(name, { PATH: PROGRAM_PATH }) ?? name, ...args], {
      stdin: input === undefined ? "ignore" : Buffer.from(input),
      stdout: "pipe",
      stderr: "pipe",
      signal,
      killSignal: "SIGKILL",
    });
  } catch (error) {
    throw new FksError("Unsupported", `cannot run ${name}: is it installed?`, { cause: error });
  }
}
