/** A host of its own for one fks-node that is told and watched as a person does, in the foreground. */
import { chmodSync, closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { PartReport, StatusReport } from "#core/status/report.ts";
import type { EngineName } from "#embedded/control-plane/engine.ts";
import { inOwnNetwork } from "#scripts/own-network.ts";
import type { K3sShape } from "#test/programs/k3s-shaped.ts";
import { EXECUTABLE, partIn } from "./cluster.ts";
import { type TestEngine, testEngine } from "./engine.ts";
import { eventually, type Ran, type RunOptions, run } from "./process.ts";

const READY_TIMEOUT_MS = 60_000;
const END_TIMEOUT_MS = 60_000;

/** One life of `serve` or `control-plane`. */
export interface Life {
  readonly pid: number;
  /** What it printed so far, both streams. */
  output(): string;
  /** Waits for these words. */
  says(words: RegExp, timeoutMs?: number): Promise<void>;
  /** Waits until everything is ready. */
  ready(timeoutMs?: number): Promise<void>;
  /** Waits until it ends by itself: its exit code. */
  ended(timeoutMs?: number): Promise<number>;
  /** SIGTERM; its exit code, and the time it took. */
  stop(): Promise<{ readonly exitCode: number; readonly tookMs: number }>;
  /** SIGKILL to it alone. */
  kill(): Promise<void>;
}

/** A network, a data directory and an engine, gone when it is disposed of. */
export interface Host extends AsyncDisposable {
  readonly folder: string;
  readonly dataDir: string;
  readonly engine: TestEngine;
  /** Starts `fks-node ARGS` on the data directory. */
  start(args: readonly string[], options?: StartOptions): Life;
  /** Runs a command of fks-node on the data directory to its end. */
  fks(...args: readonly string[]): Promise<Ran>;
  kubectl(...args: readonly string[]): Promise<Ran>;
  /** What `fks-node status` tells of one child. */
  part(name: string): Promise<PartReport>;
  status(): Promise<StatusReport>;
  /** Runs a command in its network. */
  inside(command: readonly string[], options?: RunOptions): Promise<Ran>;
  /** The command line that runs `command` in its network. */
  insideCommand(command: readonly string[]): readonly string[];
}

interface StartOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** In front of the executable, such as `setpriv`. */
  readonly prefix?: readonly string[];
  /** Instead of the one that was built. */
  readonly executable?: string;
}

/** A host with K3s, or with another engine; a shape is the stand-in's. */
export async function ownHost(shape?: K3sShape, engineName: EngineName = "k3s"): Promise<Host> {
  const folder = mkdtempSync(join(tmpdir(), "fks-host-"));
  // Plain users get to what is theirs in it.
  chmodSync(folder, 0o711);
  const dataDir = join(folder, "data");
  const engine = await testEngine(engineName, join(folder, "k3s"), shape);
  const network = await ownNetwork();
  const common = {
    ...engine.env,
    KUBECONFIG: join(dataDir, "kubeconfig"),
    // A K3s that is asked for kubectl unpacks itself where it has been unpacked.
    K3S_DATA_DIR: join(dataDir, "k3s"),
    NO_COLOR: "1",
  };
  const lives: Life[] = [];

  const insideCommand: Host["insideCommand"] = (command) => [...network.enter, ...command];
  const host: Host = {
    folder,
    dataDir,
    engine,
    insideCommand,
    start(args, { env = {}, prefix = [], executable = EXECUTABLE } = {}) {
      const command = [...prefix, executable, ...args, "--data-dir", dataDir];
      const outputFile = join(folder, `output-${lives.length}`);
      const life = startLife(insideCommand(command), { ...common, ...env }, outputFile);
      lives.push(life);
      return life;
    },
    fks: (...args) => host.inside([EXECUTABLE, ...args, "--data-dir", dataDir]),
    kubectl: (...args) => host.inside([engine.program, "kubectl", ...args]),
    async status() {
      const { stdout, stderr } = await host.fks("status", "-o", "json");
      if (stdout === "") throw new Error(stderr);
      return JSON.parse(stdout);
    },
    part: async (name) => partIn(await host.status(), name),
    inside: (command, options = {}) =>
      run(insideCommand(command), { ...options, env: { ...common, ...options.env } }),
    async [Symbol.asyncDispose]() {
      for (const life of lives) await life.stop();
      await host.fks("reset", "--yes");
      await network.end();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return host;
}

/** The pid of the child `k3s`. */
export async function pidOf(host: Host): Promise<number> {
  const { pid } = await host.part("k3s");
  if (pid === undefined) throw new Error("k3s does not run");
  return pid;
}

/** A network that is there until it is ended. */
async function ownNetwork(): Promise<{ enter: readonly string[]; end(): Promise<void> }> {
  const keeper = Bun.spawn(inOwnNetwork(["sh", "-c", "echo up; exec sleep infinity"]), {
    stdout: "pipe",
  });
  await keeper.stdout.getReader().read();
  return {
    enter: ["nsenter", `--net=/proc/${keeper.pid}/ns/net`, "--"],
    async end() {
      keeper.kill("SIGKILL");
      await keeper.exited;
    },
  };
}

function startLife(
  command: readonly string[],
  env: Readonly<Record<string, string>>,
  outputFile: string,
): Life {
  const file = openSync(outputFile, "a");
  const child = Bun.spawn([...command], {
    stdin: "ignore",
    stdout: file,
    stderr: file,
    env: { ...process.env, ...env },
  });
  closeSync(file);
  const output = (): string => readFileSync(outputFile, "utf8");
  const explain = async (): Promise<string> => output();

  const life: Life = {
    pid: child.pid,
    output,
    async says(words, timeoutMs = READY_TIMEOUT_MS) {
      const said = await eventually(
        `${words}`,
        async () => {
          if (words.test(output())) return true;
          return child.exitCode === null ? undefined : false;
        },
        { timeoutMs, explain },
      );
      if (!said) throw new Error(`it ended with ${child.exitCode} without ${words}\n${output()}`);
    },
    ready: (timeoutMs) => life.says(/^ {2}stop /m, timeoutMs),
    async ended(timeoutMs = END_TIMEOUT_MS) {
      return eventually("it ends", async () => child.exitCode ?? undefined, { timeoutMs, explain });
    },
    async stop() {
      const startedAt = performance.now();
      child.kill("SIGTERM");
      const exitCode = await child.exited;
      return { exitCode, tookMs: performance.now() - startedAt };
    },
    async kill() {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
  return life;
}
