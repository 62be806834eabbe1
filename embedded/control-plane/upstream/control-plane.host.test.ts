import { afterAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { processIdentity } from "#adapters/host/process-identity.ts";
import { eventually, run, succeed } from "#test/e2e/process.ts";
import { cachedKubePath } from "./build.ts";

/** `make setup` builds the executable, which takes too long inside a test. */
const kube = process.env["FKS_KUBE_BIN"] ?? cachedKubePath(process.env);
const cannotRun = process.getuid?.() !== 0 || !existsSync(kube);

const dataDir = mkdtempSync(join(tmpdir(), "fks-control-plane-"));
const output = join(dataDir, "out");
const kubeconfig = join(dataDir, "kubeconfig");
const PROGRAM = join(import.meta.dir, "../../../cmd/fks-node.ts");
const started: Bun.Subprocess[] = [];

afterAll(async () => {
  for (const serve of started) {
    if (serve.exitCode === null && serve.signalCode === null) serve.kill("SIGTERM");
    await serve.exited;
  }
  rmSync(dataDir, { recursive: true, force: true });
});

/** Starts the control plane in a network namespace that ends with it. */
async function start(netnsOf?: number): Promise<Bun.Subprocess> {
  const enter =
    netnsOf === undefined
      ? ["unshare", "--net", "sh", "-c", 'ip link set lo up; exec "$@"', "sh"]
      : ["nsenter", `--net=/proc/${netnsOf}/ns/net`];
  rmSync(kubeconfig, { force: true });
  const fd = openSync(output, "a");
  const serve = Bun.spawn(
    [...enter, process.execPath, PROGRAM, "control-plane", "--data-dir", dataDir],
    {
      stdin: "ignore",
      stdout: fd,
      stderr: fd,
      env: { ...process.env, FKS_ENGINE: "upstream", FKS_KUBE_BIN: kube },
    },
  );
  started.push(serve);
  await eventually(
    "the API server is ready",
    async () => {
      if (serve.exitCode !== null) throw new Error(readFileSync(output, "utf8"));
      return existsSync(kubeconfig) ? true : undefined;
    },
    { timeoutMs: 60_000, explain: async () => readFileSync(output, "utf8") },
  );
  return serve;
}

const kubectlIn = (pid: number, ...args: readonly string[]): readonly string[] => [
  "nsenter",
  `--net=/proc/${pid}/ns/net`,
  kube,
  "kubectl",
  `--kubeconfig=${kubeconfig}`,
  ...args,
];

function childrenNow(): Record<string, { readonly pid: number; readonly startedAt: string }> {
  return JSON.parse(readFileSync(join(dataDir, "run/children.json"), "utf8"));
}

test.skipIf(cannotRun)(
  "a real control plane starts, survives its parts and its supervisor, and stops in order",
  async () => {
    const first = await start();
    const address = /https:\/\/\[(.+)\]:6443/.exec(readFileSync(kubeconfig, "utf8"))?.[1] ?? "";
    const network = address.split(":").slice(0, 3).join(":");

    const clusterIp = ["get", "service", "kubernetes", "-o", "jsonpath={.spec.clusterIP}"];
    expect(await succeed(kubectlIn(first.pid, ...clusterIp))).toBe(`${network}:0:1::1`);
    await eventually("the default ServiceAccount", async () => {
      const { exitCode } = await run(kubectlIn(first.pid, "get", "serviceaccount", "default"));
      return exitCode === 0 ? true : undefined;
    });
    const endpoints = ["get", "endpointslice", "kubernetes", "-o", "jsonpath={.endpoints[0]}"];
    expect(await succeed(kubectlIn(first.pid, ...endpoints))).toContain(address);
    await succeed(kubectlIn(first.pid, "create", "namespace", "kept"));

    const before = childrenNow();
    process.kill(before["kine"]?.pid ?? 0, "SIGKILL");
    await eventually("the datastore is back and the API answers", async () => {
      const isNew = childrenNow()["kine"]?.pid !== before["kine"]?.pid;
      const { exitCode } = await run(kubectlIn(first.pid, "get", "namespace", "kept"));
      return isNew && exitCode === 0 ? true : undefined;
    });
    expect(childrenNow()["scheduler"]).toEqual(before["scheduler"] ?? { pid: 0, startedAt: "" });

    const orphans = Object.values(childrenNow());
    const [keeper] = orphans;
    const netns = Bun.spawn(["nsenter", `--net=/proc/${keeper?.pid}/ns/net`, "sleep", "120"]);
    await eventually("the network is kept", async () =>
      readFileSync(`/proc/${netns.pid}/comm`, "utf8") === "sleep\n" ? true : undefined,
    );
    first.kill("SIGKILL");
    await first.exited;
    const second = await start(netns.pid);
    expect(orphans.filter(({ pid }) => processIdentity(pid) !== undefined)).toEqual([]);
    await succeed(kubectlIn(second.pid, "get", "namespace", "kept"));

    const children = Object.values(childrenNow());
    const stoppedAt = performance.now();
    second.kill("SIGTERM");
    expect(await second.exited).toBe(0);
    expect(performance.now() - stoppedAt).toBeLessThan(15_000);
    expect(children.filter(({ pid }) => processIdentity(pid) !== undefined)).toEqual([]);
    netns.kill();
    await netns.exited;
  },
  120_000,
);
