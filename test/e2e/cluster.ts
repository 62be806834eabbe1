/** A whole fks-node for end-to-end tests: the compiled executable, its own data directory, real Pods. */
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { PartReport, StatusReport } from "#core/status/report.ts";
import type { EngineName } from "#embedded/control-plane/engine.ts";
import type { K3sShape } from "#test/programs/k3s-shaped.ts";
import { ENGINE_NAME, type TestEngine, testEngine } from "./engine.ts";
import { eventually, type Ran, type RunOptions, run, succeed } from "./process.ts";

export const EXECUTABLE = "dist/fks-node";
const START_TIMEOUT_MS = 90_000;

export interface Cluster {
  readonly dataDir: string;
  readonly engine: TestEngine;
  /** The running `serve`. */
  pid(): number;
  /** kubectl with this cluster's kubeconfig; throws when it fails. */
  kubectl(args: readonly string[], options?: RunOptions): Promise<string>;
  /** The same, and a failure is a result. */
  tryKubectl(args: readonly string[], options?: RunOptions): Promise<Ran>;
  /** `kubectl apply -f -` of one or more objects. */
  apply(...objects: readonly object[]): Promise<void>;
  /** `kubectl get … -o json`. */
  get<T>(...args: readonly string[]): Promise<T>;
  /** Base URL of the API server. */
  server(): Promise<string>;
  /** fks-node's own subcommands with this data directory. */
  fks(args: readonly string[], options?: RunOptions): Promise<Ran>;
  /** What `fks-node status` tells, and of it a child of `serve`. */
  status(): Promise<StatusReport>;
  part(name: string): Promise<PartReport>;
  /** The command line of kubectl, for tests that drive it by hand. */
  kubectlCommand(args: readonly string[]): readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** What `serve` printed so far. */
  output(): string;
  /** Starts `serve` and waits until its Nodes are Ready. A K3s that is named is used from then on. */
  start(k3s?: string): Promise<void>;
  /** Its two halves. */
  launch(k3s?: string): void;
  ready(): Promise<void>;
  /** SIGTERM, and the time it took until it was gone, in milliseconds. */
  stop(): Promise<number>;
  /** SIGKILL to `serve` alone. */
  kill(): Promise<void>;
  /** Stops it, removes all Machines and networks, deletes the data directory. */
  close(): Promise<void>;
}

interface ClusterOptions {
  readonly engine?: EngineName;
  /** Of the stand-in for K3s. */
  readonly shape?: K3sShape;
}

/** Starts a cluster and waits until its Nodes are Ready. `flags` go to `serve`. */
export async function startCluster(
  flags: readonly string[] = [],
  { engine: engineName = ENGINE_NAME, shape }: ClusterOptions = {},
): Promise<Cluster> {
  const folder = mkdtempSync(join(tmpdir(), "fks-e2e-"));
  const dataDir = join(folder, "data");
  const engine = await testEngine(engineName, join(folder, "k3s"), shape);
  const env: Record<string, string> = {
    ...engine.env,
    KUBECONFIG: join(dataDir, "kubeconfig"),
    // A K3s that is asked for kubectl unpacks itself where it has been unpacked.
    K3S_DATA_DIR: join(dataDir, "k3s"),
    NO_COLOR: "1",
    // How full the disk of whoever runs the tests is shall not matter.
    FKS_EVICTION_HARD: "memory.available<10Mi",
  };
  const outputFile = join(folder, "serve.out");
  let serve: Bun.Subprocess | undefined;

  const kubectlCommand = (args: readonly string[]): readonly string[] => [
    engine.program,
    "kubectl",
    ...args,
  ];
  const output = (): string => readFileSync(outputFile, "utf8");
  const running = (): Bun.Subprocess => {
    if (serve === undefined) throw new Error("serve does not run");
    return serve;
  };

  const cluster: Cluster = {
    dataDir,
    engine,
    env,
    output,
    kubectlCommand,
    pid: () => running().pid,
    kubectl: (args, options) =>
      succeed(kubectlCommand(args), { ...options, env: { ...env, ...options?.env } }),
    tryKubectl: (args, options) =>
      run(kubectlCommand(args), { ...options, env: { ...env, ...options?.env } }),
    async apply(...objects) {
      const list = { apiVersion: "v1", kind: "List", items: objects };
      await cluster.kubectl(["apply", "-f", "-"], { stdin: JSON.stringify(list) });
    },
    async get(...args) {
      return JSON.parse(await cluster.kubectl(["get", ...args, "-o", "json"]));
    },
    server: () =>
      cluster.kubectl(["config", "view", "-o", "jsonpath={.clusters[0].cluster.server}"]),
    fks: (args, options) =>
      run([EXECUTABLE, ...args, "--data-dir", dataDir], {
        ...options,
        env: { ...env, ...options?.env },
      }),
    async status() {
      const { stdout, stderr } = await cluster.fks(["status", "-o", "json"]);
      if (stdout === "") throw new Error(stderr);
      return JSON.parse(stdout);
    },
    part: async (name) => partIn(await cluster.status(), name),
    launch(k3s) {
      if (k3s !== undefined) env["FKS_K3S_BIN"] = k3s;
      const file = openSync(outputFile, "a");
      serve = Bun.spawn([EXECUTABLE, "serve", "--data-dir", dataDir, ...flags], {
        stdin: "ignore",
        stdout: file,
        stderr: file,
        env: { ...process.env, ...env },
      });
      closeSync(file);
    },
    async start(k3s) {
      cluster.launch(k3s);
      await cluster.ready();
    },
    async ready() {
      await eventually("every Node is Ready", () => nodesReady(cluster, running()), {
        timeoutMs: START_TIMEOUT_MS,
        explain: async () => output(),
      });
    },
    async stop() {
      const startedAt = performance.now();
      running().kill("SIGTERM");
      await running().exited;
      serve = undefined;
      return performance.now() - startedAt;
    },
    async kill() {
      running().kill("SIGKILL");
      await running().exited;
      serve = undefined;
    },
    async close() {
      if (serve !== undefined) await cluster.stop();
      await succeed([EXECUTABLE, "reset", "--yes", "--data-dir", dataDir], { env });
      rmSync(folder, { recursive: true, force: true });
    },
  };
  try {
    await cluster.start();
  } catch (error) {
    await cluster.close().catch(() => {});
    throw error;
  }
  return cluster;
}

/** What a report tells of one child. Throws when it names none. */
export function partIn({ parts }: Pick<StatusReport, "parts">, name: string): PartReport {
  const found = parts.find((part) => part.name === name);
  if (found !== undefined) return found;
  throw new Error(`status names no ${name}, only ${parts.map((part) => part.name).join(", ")}`);
}

interface NodeList {
  readonly items: readonly {
    readonly status: { readonly conditions?: readonly { type: string; status: string }[] };
  }[];
}

async function nodesReady(cluster: Cluster, serve: Bun.Subprocess): Promise<true | undefined> {
  if (serve.exitCode !== null) throw new Error(`serve ended with exit code ${serve.exitCode}`);
  // This serve's own word: a killed predecessor's control plane may still answer for a moment.
  const { exitCode, stdout, stderr } = await cluster.fks(["status"]);
  if (exitCode !== 0) throw new Error(`${stdout}${stderr}`);
  const { items } = await cluster.get<NodeList>("nodes");
  const ready = items.filter(({ status }) =>
    status.conditions?.some(({ type, status: value }) => type === "Ready" && value === "True"),
  );
  return items.length > 0 && ready.length === items.length ? true : undefined;
}
