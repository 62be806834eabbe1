import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Pod } from "#core/kube/pod.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import { loadImages, WEB_IMAGE, WEB_IMAGE_2 } from "./images.ts";
import { type MachineChanges, machineChanges } from "./machine-changes.ts";
import { deploymentOf, isRunning, podsOf, podWhen, workloadOf } from "./objects.ts";
import { eventually } from "./process.ts";

/** Takes its time to end, as a database does. */
const SLOW_TO_END = {
  command: ["sh", "-c", "trap 'sleep 1; exit 0' TERM; while :; do sleep 0.1; done"],
};
const NEVER_READY = { readinessProbe: { exec: { command: ["false"] }, periodSeconds: 1 } };

describe.concurrent("the apps of Kubernetes, with real containers", () => {
  let cluster: Cluster;
  let machines: MachineChanges;

  beforeAll(async () => {
    cluster = await startCluster();
    await loadImages(cluster);
    machines = await machineChanges(cluster);
  });
  afterAll(async () => {
    await machines?.[Symbol.asyncDispose]();
    await cluster?.close();
  });

  const rollout = (what: string): Promise<string> =>
    cluster.kubectl(["rollout", "status", what, "--timeout=90s"], { timeoutMs: 100_000 });

  const changed = (prefix: string, ...wanted: readonly string[]): Promise<true> =>
    eventually(
      `Machines: ${wanted.join(" ")}`,
      async () =>
        machines.of(prefix).slice(-wanted.length).join() === wanted.join() ? true : undefined,
      { explain: async () => machines.of(prefix).join(" ") },
    );

  /** Another Pod of the same name, running. */
  const replaced = (name: string, { metadata }: Pod): Promise<Pod> =>
    podWhen(cluster, name, (pod) => isRunning(pod) && pod.metadata.uid !== metadata.uid, 60_000);

  test("a StatefulSet's Pods come in order, keep their names, and never two of a name are alive", async () => {
    await cluster.apply(workloadOf("StatefulSet", "web", { replicas: 3, container: SLOW_TO_END }));
    await rollout("statefulset/web");
    expect(machines.of("web-")).toEqual(["+web-0", "+web-1", "+web-2"]);
    expect(await cluster.kubectl(["exec", "web-1", "--", "hostname"])).toBe("web-1\n");

    const first = await cluster.get<Pod>("pod", "web-1");
    await cluster.kubectl(["delete", "pod", "web-1"]);
    const second = await replaced("web-1", first);
    // Not even when nobody waits for the old one.
    await cluster.kubectl(["delete", "pod", "web-1", "--force", "--grace-period=0"]);
    await replaced("web-1", second);
    const again = ["-web-1", "+web-1"];
    await changed("web-", ...again, ...again);

    await cluster.kubectl(["set", "image", "statefulset/web", `main=${WEB_IMAGE_2}`]);
    await rollout("statefulset/web");
    await changed("web-", "-web-2", "+web-2", ...again, "-web-0", "+web-0");

    await cluster.kubectl(["scale", "statefulset/web", "--replicas=1"]);
    await changed("web-", "-web-2", "-web-1");
    expect(machines.doubles()).toEqual([]);
    const { spec } = await cluster.get<Pod>("pod", "web-0");
    expect(spec.containers[0]?.image).toBe(WEB_IMAGE_2);
  });

  test("an ordered StatefulSet waits for a Pod that is not ready, a parallel one does not", async () => {
    const shape = { replicas: 3, container: NEVER_READY };
    await cluster.apply(
      workloadOf("StatefulSet", "queue", shape),
      workloadOf("StatefulSet", "crowd", { ...shape, spec: { podManagementPolicy: "Parallel" } }),
    );
    await eventually("the crowd is there", async () => {
      const pods = await podsOf(cluster, "crowd");
      return pods.filter(({ status }) => status?.phase === "Running").length === 3
        ? true
        : undefined;
    });
    expect(machines.of("crowd-").toSorted()).toEqual(["+crowd-0", "+crowd-1", "+crowd-2"]);
    await podWhen(cluster, "queue-0", ({ status }) => status?.phase === "Running");
    expect(machines.of("queue-")).toEqual(["+queue-0"]);
  });

  test("a DaemonSet has one Pod on every Node, and only where it is meant to be", async () => {
    await cluster.apply(
      workloadOf("DaemonSet", "everywhere"),
      workloadOf("DaemonSet", "somewhere", { pod: { nodeSelector: { disk: "fast" } } }),
    );
    const nodesOf = async (app: string): Promise<readonly string[]> =>
      (await podsOf(cluster, app)).map(({ spec }) => spec.nodeName ?? "").toSorted();
    await rollout("daemonset/everywhere");
    expect(await nodesOf("everywhere")).toEqual(["local-a", "local-b"]);
    expect(await nodesOf("somewhere")).toEqual([]);

    await cluster.kubectl(["set", "image", "daemonset/everywhere", `main=${WEB_IMAGE_2}`]);
    await cluster.kubectl(["label", "node", "local-b", "disk=fast"]);
    await rollout("daemonset/everywhere");
    await rollout("daemonset/somewhere");
    const pods = await podsOf(cluster, "everywhere");
    expect(pods.map(({ spec }) => spec.containers[0]?.image)).toEqual([WEB_IMAGE_2, WEB_IMAGE_2]);
    expect(await nodesOf("everywhere")).toEqual(["local-a", "local-b"]);
    await eventually("the label's Node alone has it", async () =>
      (await nodesOf("somewhere")).join() === "local-b" ? true : undefined,
    );
    await cluster.kubectl(["label", "node", "local-b", "disk-"]);
    await eventually("it goes with the label", async () =>
      (await nodesOf("somewhere")).length === 0 ? true : undefined,
    );
  });

  test("a Deployment that recreates ends the old Pod first, and is rolled back", async () => {
    const recreate = { strategy: { type: "Recreate" } };
    await cluster.apply(
      workloadOf("Deployment", "single", { spec: recreate, container: SLOW_TO_END }),
    );
    await rollout("deployment/single");
    await cluster.kubectl(["set", "image", "deployment/single", `main=${WEB_IMAGE_2}`]);
    await rollout("deployment/single");
    await cluster.kubectl(["rollout", "undo", "deployment/single"]);
    await rollout("deployment/single");
    expect(machines.of("single-").map(([sign]) => sign)).toEqual(["+", "-", "+", "-", "+"]);
    const [pod] = await podsOf(cluster, "single");
    expect(pod?.spec.containers[0]?.image).toBe(WEB_IMAGE);
  });

  test("a ReplicaSet replaces a Pod that is taken from it, and that one runs on", async () => {
    await cluster.apply(deploymentOf("flock", 2));
    await rollout("deployment/flock");
    const [taken] = await podsOf(cluster, "flock");
    const name = taken?.metadata.name ?? "";
    await cluster.kubectl(["label", "pod", name, "app=stray", "--overwrite"]);
    await eventually("there are two again", async () => {
      const pods = await podsOf(cluster, "flock");
      return pods.filter(isRunning).length === 2 ? true : undefined;
    });
    const stray = await cluster.get<Pod>("pod", name);
    expect(stray.metadata.ownerReferences).toBeUndefined();
    expect(stray.status?.containerStatuses).toEqual(taken?.status?.containerStatuses ?? []);
  });
});
