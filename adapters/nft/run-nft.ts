import { FksError } from "#core/errors.ts";

/** Where host programs are, whatever PATH we were started with. */
const PROGRAM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/** Longest part of nft's own words that an error repeats. */
const MESSAGE_MAX_CHARS = 500;

export interface RunNft {
  /**
   * One transaction: all of `text` or nothing; what is long comes in pieces, so that it is never
   * there as a whole. Throws `Unavailable` with nft's own words.
   */
  load(text: string | Iterable<string>, signal: AbortSignal): Promise<void>;
  /** What nft writes to these arguments. Throws as `load` does. */
  ask(args: readonly string[], signal: AbortSignal): Promise<string>;
}

/** nft in the network namespace pinned at this path, or where we are. */
export function nftIn(netns: string | undefined): RunNft {
  const within = netns === undefined ? [] : [program("nsenter"), `--net=${netns}`];
  const run = async (args: readonly string[], input: Iterable<string>, signal: AbortSignal) => {
    signal.throwIfAborted();
    const child = spawned([...within, program("nft"), ...args], signal);
    const [stdout, stderr, code] = await Promise.all([
      child.stdout.text(),
      child.stderr.text(),
      child.exited,
      feed(child.stdin, input),
    ]);
    signal.throwIfAborted();
    if (code === 0) return stdout;
    const words = stderr.trim().slice(0, MESSAGE_MAX_CHARS);
    throw new FksError("Unavailable", `nft failed with code ${code}: ${words}`);
  };
  return {
    async load(text, signal) {
      await run(["-f", "-"], typeof text === "string" ? [text] : text, signal);
    },
    ask: (args, signal) => run(args, [], signal),
  };
}

function program(name: string): string {
  return Bun.which(name, { PATH: PROGRAM_PATH }) ?? name;
}

/** What nft no longer reads it tells by how it ends. */
async function feed(stdin: Bun.FileSink, input: Iterable<string>): Promise<void> {
  try {
    for (const text of input) {
      await stdin.write(text);
      await stdin.flush();
    }
    await stdin.end();
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EPIPE")) throw error;
  }
}

function spawned(argv: string[], signal: AbortSignal) {
  try {
    return Bun.spawn(argv, {
      stdin: "pipe",
      stdout: "pipe",
      stderr: "pipe",
      signal,
      killSignal: "SIGKILL",
    });
  } catch (error) {
    throw new FksError("Unsupported", "cannot run nft: is it installed?", { cause: error });
  }
}
