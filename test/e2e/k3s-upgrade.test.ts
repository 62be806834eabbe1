/** Other versions of K3s on the data of a running cluster: Pods run on, whatever comes of it. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Pod } from "#core/kube/pod.ts";
import { installK3sShaped, type K3sShape } from "#test/programs/k3s-shaped.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import { loadImages } from "./images.ts";
import { containerPids, deploymentOf, isRunning, lifeOf, podOf, podWhen } from "./objects.ts";
import { eventually } from "./process.ts";

interface PodList {
  readonly items: readonly Pod[];
}

const [SKIPPING, FIRST, MINOR, PATCH, NEXT] = [
  "v1.37.1+k3s1",
  "v1.35.8+k3s1",
  "v1.36.3+k3s1",
  "v1.36.4+k3s1",
  "v1.37.1+k3s1",
] as const;

describe("another version of K3s, with Pods running", () => {
  let root: string;
  let cluster: Cluster;
  let before: unknown;

  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), "fks-k3s-versions-"));
    cluster = await startCluster([], { engine: "k3s", shape: { version: FIRST } });
    await loadImages(cluster);
    await cluster.apply(deploymentOf("fleet", 3));
    await cluster.kubectl(["rollout", "status", "deployment/fleet", "--timeout=60s"]);
    before = await world();
  });
  afterAll(async () => {
    await cluster.close();
    rmSync(root, { recursive: true, force: true });
  });

  /** The Pods, and their processes on this host. */
  const world = async (): Promise<unknown> => ({
    pods: (await cluster.get<PodList>("pods", "-l", "app=fleet")).items.map(lifeOf),
    pids: containerPids(cluster),
  });

  /** An executable of this version. */
  const k3s = (version: string, shape: K3sShape = {}): Promise<string> =>
    installK3sShaped(join(root, `${version}-${shape.behaviour ?? "good"}`), { version, ...shape });

  const knownVersion = (): string =>
    JSON.parse(readFileSync(join(cluster.dataDir, "cluster.json"), "utf8")).kubernetesVersion;

  const backups = (): string[] => readdirSync(join(cluster.dataDir, "backups"));

  /** `serve` with this K3s, which is to end by itself. */
  const refusal = async (program: string): Promise<{ exitCode: number; sentence: string }> => {
    const env = { FKS_K3S_BIN: program };
    const { exitCode, stderr } = await cluster.fks(["serve"], { env, timeoutMs: 60_000 });
    return { exitCode, sentence: stderr };
  };

  /** Nothing was made, stopped or destroyed since `serve` started, and new Pods run. */
  async function expectUntouched(): Promise<void> {
    const unix = join(cluster.dataDir, "run/status.sock");
    const metrics = await (await fetch("http://status/metrics", { unix })).text();
    const asked = metrics.matchAll(/^fks_machines_api_requests_total\{.*method="(\w+)"/gm);
    // Logs of Pods that are no more are forgotten meanwhile.
    const harmless = ["GET", "DELETE"];
    expect([...asked].filter(([, method = ""]) => !harmless.includes(method))).toEqual([]);
    expect(await world()).toEqual(before);

    await cluster.apply(podOf("probe"));
    await podWhen(cluster, "probe", isRunning);
    await cluster.kubectl(["delete", "pod", "probe"]);
  }

  async function expectVersion(version: string): Promise<void> {
    const { gitVersion } = JSON.parse(await cluster.kubectl(["get", "--raw", "/version"]));
    expect(gitVersion).toBe(version);
    expect(knownVersion()).toBe(version);
  }

  test("a skipped minor is refused by name, and nothing is written", async () => {
    await cluster.stop();
    const { exitCode, sentence } = await refusal(await k3s(SKIPPING));
    expect(exitCode).toBe(4);
    expect(sentence).toBe(
      `fks-node: the data was written by Kubernetes ${FIRST}, this control plane is ${SKIPPING}: minors are upgraded one at a time; start a v1.36 first\n`,
    );
    expect(knownVersion()).toBe(FIRST);
  });

  test.each([
    ["the next minor", FIRST, MINOR],
    ["a patch", MINOR, PATCH],
  ])("%s takes over behind a backup, and no container notices", async (_, from, to) => {
    await cluster.start(await k3s(to));
    expect(cluster.output()).toContain(`Kubernetes ${from} becomes ${to}; the data before is in `);
    await eventually("it has taken over", async () =>
      cluster.output().includes(`Kubernetes ${to} has taken over from ${from}`) ? true : undefined,
    );
    await expectVersion(to);
    expect(backups()).toContainEqual(
      expect.stringMatching(RegExp(`^${RegExp.escape(`${from}-to-${to}-`)}\\w+\\.tar$`)),
    );
    await expectUntouched();
    await cluster.stop();
  });

  test("what K3s unpacked of the version before last is gone", () => {
    const unpacked = readdirSync(join(cluster.dataDir, "k3s/data"));
    expect(unpacked.filter((name) => /^[0-9a-f]{64}$/.test(name))).toHaveLength(2);
  });

  test("an older minor is refused by name", async () => {
    const { exitCode, sentence } = await refusal(cluster.engine.program);
    expect(exitCode).toBe(4);
    expect(sentence).toBe(
      `fks-node: the data was written by Kubernetes ${PATCH}, this control plane is ${FIRST}: an older minor cannot read it; start v1.36, or restore a backup made by v1.35\n`,
    );
  });

  test("a version that dies at its start leaves the data as it was, and says how to go on", async () => {
    const { exitCode, sentence } = await refusal(await k3s(NEXT, { behaviour: "crash-at-start" }));
    expect(exitCode).toBe(8);
    expect(sentence).toBe(
      `fks-node: upgrade to ${NEXT} failed: k3s in 3 tries: exited with 1: Error: starting kubernetes: preparing server: something is wrong with this host; the data of ${PATCH} is back: start it with --k3s-bin ${await k3s(PATCH)}\n`,
    );
    await cluster.start(await k3s(PATCH));
    await expectVersion(PATCH);
    await expectUntouched();
    await cluster.stop();
  });

  test("a version that wrote and was killed before it was ready leaves nothing of what it wrote", async () => {
    cluster.launch(await k3s(NEXT, { behaviour: "controllers-never-ready" }));
    await eventually("it has written", async () => {
      const { reason } = await cluster.part("k3s");
      return reason?.startsWith("waiting for its controllers: ") === true ? true : undefined;
    });
    const tls = join(cluster.dataDir, "k3s/server/tls");
    const admin = ["client-certificate", "client-key"].map(
      (name, at) => `--${name}=${join(tls, `client-admin.${at === 0 ? "crt" : "key"}`)}`,
    );
    const api = (await cluster.status()).cluster.api;
    await cluster.kubectl(
      [
        "create",
        "namespace",
        "of-the-new-one",
        `--server=${api}`,
        `--certificate-authority=${tls}/server-ca.crt`,
        ...admin,
      ],
      { env: { KUBECONFIG: "/dev/null" } },
    );
    await cluster.kill();

    await cluster.start(await k3s(PATCH));
    expect(cluster.output()).toContain(
      `Kubernetes ${NEXT} was never ready: the data of ${PATCH} is back`,
    );
    expect(await cluster.tryKubectl(["get", "namespace", "of-the-new-one"])).toMatchObject({
      exitCode: 1,
    });
    await expectVersion(PATCH);
    await expectUntouched();
    await cluster.stop();
  });

  test("a version that was killed before it was ready goes on where it was", async () => {
    cluster.launch(await k3s(NEXT, { behaviour: "never-ready" }));
    await eventually("it is waited for", async () => {
      const { reason } = await cluster.part("k3s");
      return reason?.includes("503") === true ? true : undefined;
    });
    await cluster.kill();
    await cluster.start(await k3s(NEXT));
    expect(cluster.output()).toContain(
      `trying Kubernetes ${NEXT} again; the data of ${PATCH} is in `,
    );
    await expectVersion(NEXT);
    await expectUntouched();
  });
});
