/** What the post "Fly Kubernetes does more now" shows, step by step, here. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isInRange } from "#core/fly/ip.ts";
import type { Machine } from "#core/fly/machine.ts";
import { networkPlanFor } from "#core/fly/network.ts";
import type { Namespace } from "#core/kube/namespace.ts";
import type { Pod } from "#core/kube/pod.ts";
import type { Service } from "#core/kube/service.ts";
import { ensureKube } from "#embedded/control-plane/upstream/build.ts";
import { busyboxRoot } from "#scripts/busybox-root.ts";
import { builtImage } from "#scripts/image-archive.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import { loadBuilt, loadImages, WEB_IMAGE } from "./images.ts";
import { deploymentOf, isRunning, podOf, podsOf, podWhen } from "./objects.ts";
import { type Platform, platformOf } from "./platform.ts";
import { eventually } from "./process.ts";

const KUBECTL_IMAGE = "fks-test/kubectl:1";
const STANDARD = ["default", "kube-node-lease", "kube-public", "kube-system"];
const forever = new AbortController().signal;

interface List<T> {
  readonly items: readonly T[];
}

describe("the walk-through", () => {
  let cluster: Cluster;
  let fly: Platform;
  let app: string;

  beforeAll(async () => {
    cluster = await startCluster();
    fly = platformOf(cluster);
    await loadImages(cluster);
  });
  afterAll(() => cluster.close());

  const machines = (): Promise<readonly Machine[]> => fly.machines.list(app, {}, forever);
  const machineOf = async (pod: string): Promise<Machine | undefined> =>
    (await machines()).find(({ name }) => name === pod);
  const service = (): Promise<Service> => cluster.get<Service>("service", "kuard");
  const page = (host: string): Promise<string> =>
    cluster.kubectl(["exec", "asker", "--", "api-client", `http://${host}:8080/`]);

  test("1: a cluster has its namespaces, and `default` carries the name of its App", async () => {
    const { items } = await cluster.get<List<Namespace>>("namespaces");
    expect(items.map(({ metadata }) => metadata.name).toSorted()).toEqual(STANDARD);
    app =
      items.find(({ metadata }) => metadata.name === "default")?.metadata.labels["fly.io/app"] ??
      "";
    expect(app).toMatch(/^fks-default-[a-z0-9]{16}$/);
    expect(await cluster.kubectl(["get", "namespace", "default", "--show-labels"])).toContain(
      `fly.io/app=${app}`,
    );
  });

  test("2: kubectl run makes a Machine of the Pod's name in that App, at the Pod's address", async () => {
    await cluster.kubectl(["run", "kuard", `--image=${WEB_IMAGE}`, "--labels=app=kuard"]);
    const { status } = await podWhen(cluster, "kuard", isRunning);
    const region = await cluster.kubectl([
      "get",
      "nodes",
      "-o",
      `jsonpath={.items[?(@.status.addresses[0].address=="${status?.hostIP}")].metadata.labels.topology\\.kubernetes\\.io/region}`,
    ]);

    expect(await machines()).toMatchObject([
      {
        name: "kuard",
        state: "started",
        region,
        private_ip: status?.podIP,
        config: { guest: { cpu_kind: "shared", cpus: 1, memory_mb: 256 } },
      },
    ]);
  });

  test("3: kubectl expose gives the Pod a flycast address", async () => {
    await cluster.kubectl(["expose", "pod", "kuard", "--name=kuard", "--port=8080"]);
    const { networkId } = JSON.parse(readFileSync(join(cluster.dataDir, "cluster.json"), "utf8"));
    const { spec, metadata } = await service();

    expect(isInRange(spec.clusterIP, networkPlanFor(networkId).serviceRange)).toBe(true);
    expect(spec).toMatchObject({ ipFamilies: ["IPv6"], ipFamilyPolicy: "SingleStack" });
    expect(metadata.annotations["fly.io/clusterip-allocator"]).toBe("configured");
    expect(await fly.addresses.list(app, forever)).toMatchObject([
      { ip: spec.clusterIP, service_name: "kuard" },
    ]);
    const { status } = await cluster.get<Pod>("pod", "kuard");
    await eventually("kubectl describe shows the endpoint", async () => {
      const told = await cluster.kubectl(["describe", "service", "kuard"]);
      return told.includes(`[${status?.podIP}]:8080`) ? true : undefined;
    });
  });

  test("4: the same page from the address, the flycast name and the cluster's name", async () => {
    await cluster.apply(podOf("asker"));
    await podWhen(cluster, "asker", isRunning);
    const { spec } = await service();
    for (const host of [
      `[${spec.clusterIP}]`,
      `kuard.svc.${app}.flycast`,
      "kuard.default.svc.cluster.local",
      "kuard",
    ]) {
      expect([host, await page(host)]).toEqual([host, `${WEB_IMAGE}\n`]);
    }
  });

  test("5: a Deployment of three is three Machines, and one deleted behind its back is replaced", async () => {
    await cluster.apply(deploymentOf("three", 3));
    await cluster.kubectl(["rollout", "status", "deployment/three", "--timeout=60s"]);
    const before = (await podsOf(cluster, "three")).map(({ metadata }) => metadata.name);
    expect(before).toHaveLength(3);
    const lost = await machineOf(before[0] ?? "");
    for (const name of before) expect(await machineOf(name)).toMatchObject({ state: "started" });

    await fly.machines.destroy(app, lost?.id ?? "", true, forever);
    const after = await eventually("three Pods run in three Machines again", async () => {
      const pods = (await podsOf(cluster, "three")).filter(isRunning);
      const ids = await Promise.all(pods.map(({ metadata }) => machineOf(metadata.name)));
      const started = ids.filter((one) => one?.state === "started" && one.id !== lost?.id);
      return pods.length === 3 && started.length === 3 ? pods : undefined;
    });
    const stayed = after.filter(({ metadata }) => before.includes(metadata.name));
    expect(stayed.length).toBeGreaterThanOrEqual(2);
  });

  test("kubectl in a Pod finds the cluster without any settings", async () => {
    await loadKubectl(cluster);
    await cluster.kubectl([
      "create",
      "rolebinding",
      "viewers",
      "--clusterrole=view",
      "--serviceaccount=default:default",
    ]);
    await cluster.apply(
      podOf("inside", { container: { image: KUBECTL_IMAGE, command: ["sleep", "86400"] } }),
    );
    await podWhen(cluster, "inside", isRunning);
    const inside = (...words: readonly string[]) =>
      cluster.tryKubectl(["exec", "inside", "--", "kubectl", ...words]);

    expect(await inside("get", "service", "kuard", "-o", "name")).toMatchObject({
      stdout: "service/kuard\n",
      exitCode: 0,
    });
    expect((await inside("get", "nodes")).stderr).toContain(
      'User "system:serviceaccount:default:default" cannot list resource "nodes"',
    );
  });
});

/** kubectl as anybody has it in an image: nothing beside it says where the cluster is. */
async function loadKubectl(cluster: Cluster): Promise<void> {
  const kube = await ensureKube({ onProgress: () => {} }, AbortSignal.timeout(60 * 60_000));
  const script = '#!/bin/sh\nexec kube kubectl "$@"\n';
  const image = builtImage({
    reference: KUBECTL_IMAGE,
    config: { Env: ["PATH=/bin"] },
    layers: [
      { entries: busyboxRoot() },
      {
        entries: [
          { path: "bin/kube", content: readFileSync(kube), mode: 0o755 },
          { path: "bin/kubectl", content: script, mode: 0o755 },
        ],
      },
    ],
  });
  await loadBuilt(cluster, image);
}
