/** `fks-node control-plane` in a network of its own, for tests of what commands do to its data. */
import { existsSync, openSync, readFileSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import type { TestEngine } from "#test/e2e/engine.ts";
import { eventually, type Ran, run, succeed } from "#test/e2e/process.ts";

const PROGRAM = resolve("cmd/fks-node.ts");
const READY_TIMEOUT_MS = 60_000;

export interface ControlPlaneRun {
  readonly pid: number;
  /** Waits until its kubeconfig is there: the API answers. */
  ready(): Promise<void>;
  /** kubectl in its network; throws when it fails. */
  kubectl(...args: readonly string[]): Promise<string>;
  /** Sends a signal; the exit code. */
  end(signal: "SIGTERM" | "SIGKILL"): Promise<number>;
  /** Waits for its end by itself: the exit code, and all that it and its predecessors said. */
  ended(): Promise<{ readonly exitCode: number; readonly output: string }>;
}

export interface DataDirOptions {
  readonly dataDir: string;
  readonly engine: TestEngine;
}

/** Runs another command of fks-node on a data directory. */
export function fksNode(
  command: string,
  { dataDir, engine }: DataDirOptions,
  ...args: readonly string[]
): Promise<Ran> {
  const whole = [process.execPath, PROGRAM, command, "--data-dir", dataDir, ...args];
  return run(whole, { env: engine.env });
}

/** Starts the control plane of a data directory. `flags` go to it. */
export function startControlPlane(
  { dataDir, engine }: DataDirOptions,
  ...flags: readonly string[]
): ControlPlaneRun {
  const kubeconfig = join(dataDir, "kubeconfig");
  const outputFile = `${dataDir}.out`;
  const output = (): string => readFileSync(outputFile, "utf8");
  rmSync(kubeconfig, { force: true });
  const fd = openSync(outputFile, "a");
  const enter = ["unshare", "--net", "sh", "-c", 'ip link set lo up; exec "$@"', "sh"];
  const command = [process.execPath, PROGRAM, "control-plane", "--data-dir", dataDir, ...flags];
  const child = Bun.spawn([...enter, ...command], {
    stdin: "ignore",
    stdout: fd,
    stderr: fd,
    env: { ...process.env, ...engine.env, NO_COLOR: "1" },
  });

  return {
    pid: child.pid,
    async ready() {
      const end = await eventually(
        "the API answers",
        async () => (existsSync(kubeconfig) ? "ready" : (child.exitCode ?? undefined)),
        { timeoutMs: READY_TIMEOUT_MS, explain: async () => output() },
      );
      if (end !== "ready") throw new Error(output());
    },
    kubectl(...args) {
      const inNetwork = ["nsenter", `--net=/proc/${child.pid}/ns/net`, engine.program, "kubectl"];
      // A K3s that is asked for kubectl unpacks itself where it has been unpacked.
      const env = { K3S_DATA_DIR: join(dataDir, "k3s") };
      return succeed([...inNetwork, `--kubeconfig=${kubeconfig}`, ...args], { env });
    },
    async end(signal) {
      child.kill(signal);
      return child.exited;
    },
    async ended() {
      const exitCode = await child.exited;
      return { exitCode, output: output() };
    },
  };
}
