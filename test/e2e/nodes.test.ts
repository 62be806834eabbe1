import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Node } from "#core/kube/node.ts";
import type { Pod } from "#core/kube/pod.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import { loadImages } from "./images.ts";
import { isRunning, podGone, podOf, podsOf, podWhen, workloadOf } from "./objects.ts";
import { eventually } from "./process.ts";

/** Three to be spread over, two to be drained, one to be tainted. */
const REGIONS = ["ams", "fra", "lhr", "dub", "mad", "sin"] as const;
const WIDE = ["ams", "fra", "lhr"] as const;
const FLAGS = [
  "--regions",
  REGIONS.join(","),
  "--node-labels",
  "example.com/pool=edge",
  "--node-annotations",
  "example.com/owner=ops",
  // It keeps nothing away from where there is no better place.
  "--register-with-taints",
  "example.com/spare=yes:PreferNoSchedule",
];

const zone = "topology.kubernetes.io/zone";
const at = (...zones: readonly string[]) => ({
  nodeAffinity: {
    requiredDuringSchedulingIgnoredDuringExecution: {
      nodeSelectorTerms: [{ matchExpressions: [{ key: zone, operator: "In", values: zones }] }],
    },
  },
});
const near = (app: string) => ({
  requiredDuringSchedulingIgnoredDuringExecution: [
    { topologyKey: zone, labelSelector: { matchLabels: { app } } },
  ],
});

/** On the Node that is closed, with these tolerations of that. */
const tolerating = (...list: readonly object[]) => ({
  affinity: at("sin"),
  tolerations: list.map((one) => ({ key: "example.com/closed", operator: "Exists", ...one })),
});

describe.concurrent("Nodes are chosen by the scheduler", () => {
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = await startCluster(FLAGS);
    await loadImages(cluster);
  });
  afterAll(() => cluster?.close());

  const node = (name: string): Promise<Node> => cluster.get<Node>("node", name);
  const rollout = (what: string): Promise<string> =>
    cluster.kubectl(["rollout", "status", what, "--timeout=60s"], { timeoutMs: 70_000 });
  /** "" for a Pod that waits. */
  const nodeNames = async (app: string): Promise<readonly string[]> =>
    (await podsOf(cluster, app)).map(({ spec }) => spec.nodeName ?? "").toSorted();
  /** Waits until the scheduler has said this of the Pod. */
  const unschedulable = (name: string, words: string): Promise<Pod> =>
    podWhen(
      cluster,
      name,
      ({ status }) =>
        status?.conditions?.some(
          ({ reason, message }) => reason === "Unschedulable" && message?.includes(words),
        ) === true,
    );

  test("by labels of their region, and of the configuration", async () => {
    const { metadata, spec } = await node("ams");
    expect(metadata.labels).toMatchObject({
      "topology.kubernetes.io/region": "ams",
      [zone]: "ams",
      "kubernetes.io/hostname": "ams",
      "example.com/pool": "edge",
    });
    expect(metadata.annotations).toMatchObject({ "example.com/owner": "ops" });
    const spare = { key: "example.com/spare", value: "yes", effect: "PreferNoSchedule" } as const;
    expect(spec?.taints).toContainEqual(spare);

    const nodeSelector = { [zone]: "fra", "example.com/pool": "edge" };
    await cluster.apply(
      podOf("selected", { spec: { nodeSelector } }),
      podOf("nowhere", { spec: { nodeSelector: { [zone]: "moon" } } }),
    );
    expect((await podWhen(cluster, "selected", isRunning)).spec.nodeName).toBe("fra");
    await unschedulable("nowhere", "didn't match Pod's node affinity/selector");
  });

  test("by affinity to other Pods, and away from them", async () => {
    await cluster.apply(
      workloadOf("Deployment", "shop", { pod: { affinity: at("lhr") } }),
      workloadOf("Deployment", "cache", { pod: { affinity: { podAffinity: near("shop") } } }),
      workloadOf("Deployment", "apart", {
        replicas: 4,
        pod: { affinity: { ...at(...WIDE), podAntiAffinity: near("apart") } },
      }),
    );
    await Promise.all([rollout("deployment/shop"), rollout("deployment/cache")]);
    expect(await nodeNames("cache")).toEqual(["lhr"]);
    const waiting = await eventually("three run, the fourth waits", async () => {
      const pods = await podsOf(cluster, "apart");
      const others = pods.filter((pod) => !isRunning(pod));
      return pods.length === 4 && others.length === 1 ? others[0] : undefined;
    });
    expect((await nodeNames("apart")).filter(Boolean)).toEqual([...WIDE]);
    await unschedulable(waiting.metadata.name, "didn't match pod anti-affinity rules");
  });

  test("so that Pods are spread evenly", async () => {
    const constraint = {
      maxSkew: 1,
      topologyKey: zone,
      whenUnsatisfiable: "DoNotSchedule",
      labelSelector: { matchLabels: { app: "even" } },
    };
    const pod = { affinity: at(...WIDE), topologySpreadConstraints: [constraint] };
    await cluster.apply(workloadOf("Deployment", "even", { replicas: 6, pod }));
    await rollout("deployment/even");
    expect(await nodeNames("even")).toEqual(["ams", "ams", "fra", "fra", "lhr", "lhr"]);
  });

  test("by taints, which also drive Pods away, at once or after a time", async () => {
    const taint = (text: string) => cluster.kubectl(["taint", "node", "sin", text]);
    await cluster.apply(
      podOf("intolerant", { spec: tolerating() }),
      podOf("patient", { spec: tolerating({ effect: "NoExecute", tolerationSeconds: 4 }) }),
      podOf("tolerant", { spec: tolerating({}) }),
    );
    const pods = ["intolerant", "patient", "tolerant"];
    await Promise.all(pods.map((name) => podWhen(cluster, name, isRunning)));

    await taint("example.com/closed=yes:NoSchedule");
    await cluster.apply(podOf("late", { spec: tolerating() }));
    await unschedulable("late", "had untolerated taint");
    expect(isRunning(await cluster.get<Pod>("pod", "intolerant"))).toBe(true);

    await taint("example.com/closed=yes:NoExecute");
    const startedAt = performance.now();
    await podGone(cluster, "intolerant");
    await podGone(cluster, "patient");
    expect(performance.now() - startedAt).toBeGreaterThan(3_500);
    expect(isRunning(await cluster.get<Pod>("pod", "tolerant"))).toBe(true);

    await taint("example.com/closed-");
    expect((await podWhen(cluster, "late", isRunning)).spec.nodeName).toBe("sin");
  });

  test("and refuse what was put there by hand and does not fit, in a kubelet's words", async () => {
    const resources = { requests: { cpu: "4k" } };
    const byHand = { nodeName: "ams" };
    await cluster.apply(
      podOf("misplaced", { spec: { ...byHand, nodeSelector: { [zone]: "fra" } } }),
      podOf("oversized", { spec: byHand, container: { resources } }),
      podOf("placed", { spec: { ...byHand, nodeSelector: { [zone]: "ams" } } }),
    );
    await podWhen(cluster, "placed", isRunning);
    const words = {
      misplaced: [
        "NodeAffinity",
        "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector",
      ],
      oversized: ["OutOfcpu", "Node didn't have enough resource: cpu, requested: 4000000, used: "],
    } as const;
    for (const [name, [reason, message]] of Object.entries(words)) {
      const { status } = await podWhen(cluster, name, (pod) => pod.status?.phase === "Failed");
      expect(status).toMatchObject({
        reason,
        message: expect.stringContaining(`Pod was rejected: ${message}`),
      });
      await eventually("its Event is told", async () =>
        (await cluster.kubectl(["describe", "pod", name])).includes(`Warning  ${reason}`),
      );
    }
  });

  test("and are drained no faster than a PodDisruptionBudget allows", async () => {
    await cluster.apply(
      workloadOf("Deployment", "guarded", { replicas: 2, pod: { affinity: at("dub", "mad") } }),
      {
        apiVersion: "policy/v1",
        kind: "PodDisruptionBudget",
        metadata: { name: "guarded", namespace: "default" },
        spec: { minAvailable: 2, selector: { matchLabels: { app: "guarded" } } },
      },
    );
    await rollout("deployment/guarded");
    const [pod] = await podsOf(cluster, "guarded");
    const from = pod?.spec.nodeName ?? "";
    const drain = cluster.tryKubectl(["drain", from, "--timeout=60s"], { timeoutMs: 70_000 });
    await eventually("it is cordoned", async () => (await node(from)).spec?.unschedulable);
    // What drain is told, again and again.
    const eviction = await cluster.tryKubectl(["drain", from, "--timeout=2s"]);
    expect(eviction.stderr).toContain(
      "Cannot evict pod as it would violate the pod's disruption budget",
    );

    await cluster.kubectl(["scale", "deployment/guarded", "--replicas=3"]);
    expect((await drain).exitCode).toBe(0);
    await rollout("deployment/guarded");
    expect(await nodeNames("guarded")).not.toContain(from);

    // What is put there by hand asks no scheduler.
    await cluster.apply(podOf("by-hand", { spec: { nodeName: from } }));
    await podWhen(cluster, "by-hand", isRunning);
    await cluster.kubectl(["uncordon", from]);
  });
});
