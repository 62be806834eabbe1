import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Issued } from "#test/fakes/kubelet-pki.ts";
import { goCommand } from "./go-command.ts";

interface RunOptions {
  readonly flags?: readonly string[];
  readonly stdin?: Uint8Array | string;
}

interface RunResult {
  readonly exitCode: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

interface SpdyClient {
  /** Runs `exec`, `repeat` or `forward` against this URL and waits for its end. */
  run(command: string, rest: readonly string[], options?: RunOptions): Promise<RunResult>;
  /** Starts it and returns at once. */
  start(command: string, rest: readonly string[], options?: RunOptions): Bun.Subprocess;
  [Symbol.dispose](): void;
}

const BUILD_TIMEOUT_MS = 300_000;

/** Builds test/programs/spdy-client with Go; it calls with this certificate. */
export async function spdyClient(ca: string, as: Issued): Promise<SpdyClient> {
  const folder = mkdtempSync(join(tmpdir(), "fks-spdy-client-"));
  const executable = join(folder, "spdy-client");
  const build = Bun.spawn([goCommand(), "build", "-trimpath", "-o", executable, "."], {
    cwd: join(import.meta.dir, "spdy-client"),
    env: { ...process.env, CGO_ENABLED: "0" },
    stderr: "pipe",
    timeout: BUILD_TIMEOUT_MS,
  });
  if ((await build.exited) !== 0) throw new Error(await new Response(build.stderr).text());

  const files = { ca, cert: as.cert, key: as.key };
  const flags = Object.entries(files).map(([name, pem]) => {
    const path = join(folder, name);
    writeFileSync(path, pem, { mode: 0o600 });
    return `-${name}=${path}`;
  });
  const argv = (command: string, rest: readonly string[], options: RunOptions): string[] => [
    executable,
    command,
    ...flags,
    ...(options.flags ?? []),
    "--",
    ...rest,
  ];

  return {
    start: (command, rest, options = {}) =>
      Bun.spawn(argv(command, rest, options), {
        stdin: options.stdin ? Buffer.from(options.stdin) : "pipe",
        stdout: "ignore",
        stderr: "ignore",
      }),
    async run(command, rest, options = {}) {
      const child = Bun.spawn(argv(command, rest, options), {
        stdin: Buffer.from(options.stdin ?? ""),
        stdout: "pipe",
        stderr: "pipe",
      });
      const [stdout, stderr, exitCode] = await Promise.all([
        new Response(child.stdout).arrayBuffer(),
        new Response(child.stderr).text(),
        child.exited,
      ]);
      return { exitCode, stdout: Buffer.from(stdout), stderr };
    },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}
