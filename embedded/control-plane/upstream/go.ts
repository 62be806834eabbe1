import { appendFileSync, existsSync } from "node:fs";
import { FksError } from "#core/errors.ts";

interface GoOptions {
  /** Where the module is. */
  readonly folder: string;
  /** Everything Go says is appended here. */
  readonly log: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

interface Listeners {
  readonly onOutput?: (line: string) => void;
  readonly onNote?: (line: string) => void;
}

interface Go {
  /** Runs `go` with these arguments. Throws `Unavailable` naming the log file when it fails. */
  run(args: readonly string[], listeners: Listeners, signal: AbortSignal): Promise<void>;
}

/** The Go tools of this host: PATH, else where Go's own archive puts them. Throws `Unsupported`. */
export function goPrograms({ folder, log, env }: GoOptions): Go {
  const program = Bun.which("go", { PATH: env["PATH"] ?? "" }) ?? "/usr/local/go/bin/go";
  if (!existsSync(program)) {
    throw new FksError(
      "Unsupported",
      "Go is needed once, to build the control plane: install it (https://go.dev/dl), or name a finished executable with FKS_KUBE_BIN",
    );
  }
  return {
    async run(args, { onOutput, onNote }, signal) {
      appendFileSync(log, `$ go ${args.join(" ")}\n`);
      const child = Bun.spawn([program, ...args], {
        cwd: folder,
        env: { ...env, CGO_ENABLED: "0", GOFLAGS: env["GOFLAGS"] ?? "" },
        stdin: "ignore",
        stdout: "pipe",
        stderr: "pipe",
        lazy: true,
        signal,
      });
      let last = "";
      await Promise.all([
        eachLine(child.stdout, (line) => onOutput?.(line)),
        eachLine(child.stderr, (line) => {
          appendFileSync(log, `${line}\n`);
          last = line;
          onNote?.(line);
        }),
      ]);
      const exitCode = await child.exited;
      signal.throwIfAborted();
      if (exitCode === 0) return;
      throw new FksError(
        "Unavailable",
        `building the control plane failed: ${last || `go exited with ${exitCode}`}; all of it is in ${log}`,
      );
    },
  };
}

async function eachLine(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  onLine: (line: string) => void,
): Promise<void> {
  let rest = "";
  for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) onLine(line);
  }
  if (rest !== "") onLine(rest);
}
