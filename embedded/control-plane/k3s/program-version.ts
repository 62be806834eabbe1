import { FksError, messageOf } from "#core/errors.ts";
import type { Clock } from "#core/ports/clock.ts";
import { controlPlaneEnvironment } from "../environment.ts";
import { k3sFilesIn } from "./files.ts";

export interface Ask {
  /** Of K3s: asked for the first time it may unpack itself, and shall do that nowhere else. */
  readonly dataDir: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly timeoutMs: number;
}

const OUTPUT_MAX_LENGTH = 10_000;
/** For what a child of the program may still hold open when it has ended. */
const LAST_OUTPUT_MS = 200;

/**
 * What the program says to `--version`: `v1.36.4+k3s1`.
 * Throws FksError `Unsupported`, with a sentence that begins with the path, when it is no K3s or
 * cannot be run here.
 */
export async function programVersion(path: string, ask: Ask, signal: AbortSignal): Promise<string> {
  const { exitCode, stdout, stderr } = await answerOf(path, ask, signal);
  const version = /^k3s version (v\d\S*)/m.exec(stdout)?.[1];
  if (exitCode === 0 && version !== undefined) return version;

  const said = firstLineOf(stderr) || firstLineOf(stdout);
  const quoted = said === "" ? "nothing" : `"${said}"`;
  const how = exitCode === 0 ? `says ${quoted}` : `fails with ${exitCode} and says ${quoted}`;
  throw new FksError("Unsupported", `${path} is no K3s that runs here: --version ${how}`);
}

interface Output {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function answerOf(path: string, ask: Ask, signal: AbortSignal): Promise<Output> {
  const { clock, dataDir, timeoutMs } = ask;
  const deadline = AbortSignal.any([signal, clock.timeout(timeoutMs)]);
  const env = {
    ...controlPlaneEnvironment(ask.env, k3sFilesIn(dataDir).home),
    K3S_DATA_DIR: dataDir,
  };
  try {
    const child = Bun.spawn([path, "--version"], {
      cwd: "/",
      env,
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      lazy: true,
      signal: deadline,
      killSignal: "SIGKILL",
    });
    const stdout = gather(child.stdout);
    const stderr = gather(child.stderr);
    const exitCode = await child.exited;
    await Promise.race([Promise.all([stdout.end, stderr.end]), Bun.sleep(LAST_OUTPUT_MS)]);
    if (!deadline.aborted) return { exitCode, stdout: stdout.text(), stderr: stderr.text() };
  } catch (cause) {
    signal.throwIfAborted();
    throw new FksError("Unsupported", `${path} cannot be run: ${messageOf(cause)}`, { cause });
  }
  signal.throwIfAborted();
  throw new FksError(
    "Unsupported",
    `${path} does not tell its version within ${timeoutMs / 1_000} s`,
  );
}

/** What comes, as far as it is worth reading. */
function gather(stream: ReadableStream<Uint8Array>) {
  const decoder = new TextDecoder();
  let text = "";
  const read = async (): Promise<void> => {
    for await (const piece of stream) {
      text += decoder.decode(piece, { stream: true });
      if (text.length > OUTPUT_MAX_LENGTH) return;
    }
  };
  return { text: () => text, end: read() };
}

function firstLineOf(text: string): string {
  const [line = ""] = text.trim().split("\n");
  return line.trim().slice(0, 200);
}
