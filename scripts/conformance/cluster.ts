import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { captured } from "../captured.ts";
import { RUNS } from "./paths.ts";

export const EXECUTABLE = "dist/fks-node";
const START_TIMEOUT_MS = 120_000;

/** A cluster of its own for one run of the suite. */
export interface Cluster {
  readonly kubeconfig: string;
  /** A `kubectl` of the cluster's own version. */
  readonly kubectl: string;
  /** What `serve` prints. */
  readonly log: string;
  loadImages(archive: string): Promise<void>;
  /** Stops it and removes all it made on this host. */
  close(): Promise<void>;
}

/**
 * Starts `fks-node serve` over the upstream control plane, in a data directory of its own, and
 * waits for its Nodes. Two Nodes of that size fit the suite on any host: nothing is reserved.
 */
export async function startCluster(kube: string): Promise<Cluster> {
  const folder = mkdtempSync(join(tmpdir(), "fks-conformance-"));
  const dataDir = join(folder, "data");
  // How full the disk of whoever runs them is shall not matter.
  const ample = "memory.available<10Mi";
  const env = {
    FKS_ENGINE: "upstream",
    FKS_KUBE_BIN: kube,
    FKS_EVICTION_HARD: ample,
    NO_COLOR: "1",
  };
  // Another build in the meantime must not change what is being tested.
  const executable = join(folder, "fks-node");
  copyFileSync(EXECUTABLE, executable);
  mkdirSync(RUNS, { recursive: true });
  const log = resolve(RUNS, "serve.log");
  const output = openSync(log, "w");
  const serve = Bun.spawn(
    [executable, "serve", "--data-dir", dataDir, "--node-capacity", "cpu=4,memory=8Gi,pods=110"],
    { stdin: "ignore", stdout: output, stderr: output, env: { ...process.env, ...env } },
  );
  const fks = async (...args: readonly string[]): Promise<string> => {
    const ran = await captured([executable, ...args, "--data-dir", dataDir], env);
    if (ran.exitCode !== 0) throw new Error(`fks-node ${args[0]}: ${ran.stdout}${ran.stderr}`);
    return ran.stdout;
  };
  const kubectl = join(folder, "kubectl");
  writeFileSync(kubectl, `#!/bin/sh\nexec '${kube}' kubectl "$@"\n`, { mode: 0o755 });
  const kubeconfig = join(dataDir, "kubeconfig");

  const close = async (): Promise<void> => {
    serve.kill("SIGTERM");
    await serve.exited;
    await fks("reset", "--yes");
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await nodesReady([kubectl, "--kubeconfig", kubeconfig], serve);
  } catch (error) {
    console.error(readFileSync(log, "utf8").split("\n").slice(-20).join("\n"));
    await close();
    throw error;
  }
  return {
    kubeconfig,
    kubectl,
    log,
    close,
    async loadImages(archive) {
      await fks("image", "load", archive);
    },
  };
}

async function nodesReady(kubectl: readonly string[], serve: Bun.Subprocess): Promise<void> {
  const wait = ["wait", "--for=condition=Ready", "node", "--all", "--timeout=5s"];
  const deadline = performance.now() + START_TIMEOUT_MS;
  while (performance.now() < deadline) {
    if (serve.exitCode !== null) throw new Error(`serve ended with exit code ${serve.exitCode}`);
    const { exitCode, stdout } = await captured([...kubectl, ...wait]);
    if (exitCode === 0 && stdout.includes("condition met")) return;
    await Bun.sleep(250);
  }
  throw new Error("the cluster's Nodes were not Ready in time");
}
