import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Node } from "#core/kube/node.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import { loadImages } from "./images.ts";
import { type MachineChanges, machineChanges } from "./machine-changes.ts";
import { containerPids, isRunning, lifeOf, podsOf, podWhen, workloadOf } from "./objects.ts";
import { eventually } from "./process.ts";

const SPARE = { key: "example.com/spare", value: "yes", effect: "PreferNoSchedule" } as const;
const FLAGS = [
  "--node-labels",
  "example.com/pool=edge",
  "--node-annotations",
  "example.com/owner=ops",
  "--register-with-taints",
  `${SPARE.key}=${SPARE.value}:${SPARE.effect}`,
];

describe("a Node that is away for a while", () => {
  let cluster: Cluster;
  let machines: MachineChanges;
  let before: readonly object[];
  let pids: readonly number[];

  beforeAll(async () => {
    cluster = await startCluster(FLAGS);
    await loadImages(cluster);
    await cluster.apply(workloadOf("DaemonSet", "steady"));
    await cluster.kubectl(["rollout", "status", "daemonset/steady", "--timeout=60s"]);
    machines = await machineChanges(cluster);
    [before, pids] = [await lives(), containerPids(cluster)];
  });
  afterAll(async () => {
    await machines?.[Symbol.asyncDispose]();
    await cluster?.close();
  });

  const node = (name: string): Promise<Node> => cluster.get<Node>("node", name);
  const taintsOf = async (name: string): Promise<readonly string[]> =>
    ((await node(name)).spec?.taints ?? []).map(({ key, effect }) => `${key}:${effect}`);
  const isReady = async (name: string): Promise<true | undefined> => {
    const { status } = await node(name);
    const ready = status?.conditions?.find(({ type }) => type === "Ready");
    return ready?.status === "True" || undefined;
  };
  /** All but since when a Pod is Ready: that the control plane writes, too. */
  async function lives(): Promise<readonly object[]> {
    const pods = await podsOf(cluster, "steady");
    return pods.map((pod) => ({ ...lifeOf(pod), ready: isRunning(pod) }));
  }
  /** What a controller of the control plane does: it writes one condition of a status. */
  const say = (what: "node" | "pod", name: string, condition: object): Promise<string> => {
    const patch = JSON.stringify({ status: { conditions: [condition] } });
    const how = ["--subresource=status", "--type=strategic", "-p", patch];
    return cluster.kubectl(["patch", what, name, ...how]);
  };

  const nothingHappened = async (): Promise<void> => {
    expect(machines.of("")).toEqual([]);
    expect(await lives()).toEqual([...before]);
    expect(containerPids(cluster)).toEqual([...pids]);
  };

  test("is tainted, and Ready again when it is heard of, without a Pod touched", async () => {
    const pods = await podsOf(cluster, "steady");
    const pod = pods.find(({ spec }) => spec.nodeName === "local-b")?.metadata.name ?? "";
    const { pid = 0 } = await cluster.part("kubelet");
    process.kill(pid, "SIGSTOP");
    // So the control plane judges after two minutes of silence.
    await say("node", "local-b", { type: "Ready", status: "Unknown", reason: "NodeStatusUnknown" });
    await say("pod", pod, { type: "Ready", status: "False" });
    await eventually("it is tainted", async () => {
      const taints = (await taintsOf("local-b")).join();
      const wanted = ["NoSchedule", "NoExecute"].map(
        (effect) => `node.kubernetes.io/unreachable:${effect}`,
      );
      return wanted.every((taint) => taints.includes(taint)) || undefined;
    });
    process.kill(pid, "SIGCONT");

    await eventually("it is Ready", () => isReady("local-b"));
    await podWhen(cluster, pod, isRunning);
    await eventually(
      "its taints are gone",
      async () =>
        (await taintsOf("local-b")).join() === `${SPARE.key}:${SPARE.effect}` || undefined,
    );
    await nothingHappened();
  });

  test("comes back as it was when its object was deleted, with its Pods", async () => {
    const old = await node("local-b");
    await cluster.kubectl(["delete", "node", "local-b"]);
    await eventually("it is Ready", () => isReady("local-b"));
    const { metadata, spec } = await node("local-b");
    expect(metadata.uid).not.toBe(old.metadata.uid);
    expect(metadata.labels).toEqual(old.metadata.labels ?? {});
    expect(metadata.labels).toMatchObject({ "example.com/pool": "edge" });
    expect(metadata.annotations).toMatchObject({ "example.com/owner": "ops" });
    expect(spec?.taints).toContainEqual(SPARE);
    await nothingHappened();
  });
});
