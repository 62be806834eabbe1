import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Node } from "#core/kube/node.ts";
import type { Pod } from "#core/kube/pod.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import { loadImages, WEB_IMAGE } from "./images.ts";
import { isRunning, podOf, podWhen } from "./objects.ts";
import { eventually } from "./process.ts";

const shell = (script: string) => ["sh", "-c", script];
const write = (path: string, mib: number): string =>
  `head -c ${mib}000000 /dev/zero > ${path}; sleep 1000`;
const limits = (ephemeral: string) => ({ limits: { "ephemeral-storage": ephemeral } });
const isFailed = ({ status }: Pod): boolean => status?.phase === "Failed";
const MEMORY_TAINT = "node.kubernetes.io/memory-pressure";
/** More than any host of ours has. */
const NEVER_ENOUGH = "memory.available<100Ti";

interface EventList {
  readonly items: readonly { type: string; reason: string; message: string }[];
}

describe("eviction, end to end", () => {
  let cluster: Cluster;
  const flags: string[] = [];

  beforeAll(async () => {
    cluster = await startCluster(flags);
    await loadImages(cluster);
  });
  afterAll(() => cluster.close());

  const eventsOf = async (name: string): Promise<EventList["items"]> => {
    const selector = `--field-selector=involvedObject.name=${name}`;
    return (await cluster.get<EventList>("events", selector)).items;
  };
  const restartedWith = async (...given: readonly string[]): Promise<void> => {
    await cluster.stop();
    flags.splice(0, flags.length, ...given);
    await cluster.start();
  };

  test("a Pod that writes more than its limit is Evicted, and what it said is kept", async () => {
    await cluster.apply(
      podOf("writer", {
        container: {
          command: shell(`echo writing; ${write("/tmp/full", 20)}`),
          resources: limits("5M"),
        },
      }),
      podOf("modest", {
        container: { command: shell(write("/tmp/full", 1)), resources: limits("50M") },
      }),
    );
    const { status } = await podWhen(cluster, "writer", isFailed, 60_000);

    const message = "Pod ephemeral local storage usage exceeds the total limit of containers 5M. ";
    expect(status).toMatchObject({
      reason: "Evicted",
      message,
      containerStatuses: [{ ready: false, state: { terminated: { exitCode: 143 } } }],
    });
    expect(await eventsOf("writer")).toContainEqual(
      expect.objectContaining({ type: "Warning", reason: "Evicted", message }),
    );
    expect(await cluster.kubectl(["logs", "writer"])).toBe("writing\n");
    expect(isRunning(await cluster.get<Pod>("pod", "modest"))).toBe(true);
  });

  test("one container's limit is its own, and an emptyDir has one, too", async () => {
    await cluster.apply(
      podOf("pair", {
        spec: {
          containers: [
            {
              name: "full",
              image: WEB_IMAGE,
              command: shell(write("/tmp/full", 20)),
              resources: limits("5M"),
            },
            {
              name: "roomy",
              image: WEB_IMAGE,
              command: shell("sleep 1000"),
              resources: limits("1G"),
            },
          ],
        },
      }),
      podOf("volume", {
        spec: { volumes: [{ name: "data", emptyDir: { sizeLimit: "5Mi" } }] },
        container: {
          command: shell(write("/data/full", 20)),
          volumeMounts: [{ name: "data", mountPath: "/data" }],
        },
      }),
    );
    const pair = await podWhen(cluster, "pair", isFailed, 60_000);
    const volume = await podWhen(cluster, "volume", isFailed, 60_000);

    expect(pair.status).toMatchObject({
      reason: "Evicted",
      message: 'Container full exceeded its local ephemeral storage limit "5M". ',
    });
    expect(volume.status).toMatchObject({
      reason: "Evicted",
      message: 'Usage of EmptyDir volume "data" exceeds the limit "5Mi". ',
    });
  });

  test("what is evicted stays so when all of fks-node is killed in the middle", async () => {
    await cluster.apply(
      podOf("stubborn", {
        container: {
          command: shell(`trap '' TERM; ${write("/tmp/full", 20)}`),
          resources: limits("5M"),
        },
      }),
    );
    // It is deaf to SIGTERM: for a second after this Event it still runs.
    await eventually(
      "an Event tells of the eviction",
      async () => (await eventsOf("stubborn")).find(({ reason }) => reason === "Evicted") && true,
      { timeoutMs: 60_000 },
    );
    await cluster.kill();
    await cluster.start();

    const { status } = await podWhen(cluster, "stubborn", isFailed, 60_000);
    expect(status).toMatchObject({
      reason: "Evicted",
      containerStatuses: [{ restartCount: 0, state: { terminated: { exitCode: 137 } } }],
    });
  });

  test("a host short of memory loses what asks for least, is tainted, and takes no such Pod", async () => {
    const resources = { requests: { memory: "1Gi", cpu: "1m" } };
    const priority = { priorityClassName: "system-cluster-critical" };
    await cluster.apply(
      podOf("critical", { namespace: "kube-system", spec: priority }),
      podOf("asks", { container: { resources } }),
      podOf("free"),
    );
    await podWhen(cluster, "asks", isRunning, 60_000);
    await podWhen(cluster, "free", isRunning, 60_000);
    await restartedWith("--eviction-hard", NEVER_ENOUGH);

    const free = await podWhen(cluster, "free", isFailed, 60_000);
    expect(free.status?.reason).toBe("Evicted");
    expect(free.status?.message).toMatch(
      /^The node was low on resource: memory\. Threshold quantity: 100Ti, available: \d+\w*\. Container main was using \d+\w*, request is 0, has larger consumption of memory\. $/,
    );
    expect(free.status?.conditions).toContainEqual(
      expect.objectContaining({
        type: "DisruptionTarget",
        status: "True",
        reason: "TerminationByKubelet",
        message: free.status?.message,
      }),
    );
    const asks = await podWhen(cluster, "asks", isFailed, 60_000);
    expect(endOf(asks)).toBeGreaterThanOrEqual(endOf(free));
    const critical = await cluster.get<Pod>("pod", "critical", "-n", "kube-system");
    expect(isRunning(critical)).toBe(true);

    const node = await eventually("the Node is tainted", async () => {
      const found = await cluster.get<Node>("node", "local-a");
      return found.spec?.taints?.some(({ key }) => key === MEMORY_TAINT) ? found : undefined;
    });
    expect(node.status?.conditions?.find(({ type }) => type === "MemoryPressure")).toMatchObject({
      status: "True",
      reason: "KubeletHasInsufficientMemory",
      message: "kubelet has insufficient memory available",
    });
    expect((await eventsOf("local-a")).map(({ reason }) => reason)).toEqual(
      expect.arrayContaining(["EvictionThresholdMet", "NodeHasInsufficientMemory"]),
    );

    await cluster.apply(podOf("late", { spec: { nodeName: "local-a" } }), podOf("waits"));
    const late = await podWhen(cluster, "late", isFailed);
    expect(late.status).toMatchObject({
      reason: "Evicted",
      message: "Pod was rejected: The node had condition: [MemoryPressure]. ",
    });
    const { status } = await podWhen(
      cluster,
      "waits",
      ({ status: told }) =>
        told?.conditions?.some(({ reason }) => reason === "Unschedulable") === true,
    );
    expect(status?.phase).toBe("Pending");
  });

  test("a host that has enough again is free of its taint, and what waited runs", async () => {
    await restartedWith();
    await podWhen(cluster, "waits", isRunning, 60_000);
    const { spec, status } = await cluster.get<Node>("node", "local-a");
    expect(spec?.taints?.map(({ key }) => key) ?? []).not.toContain(MEMORY_TAINT);
    expect(status?.conditions?.find(({ type }) => type === "MemoryPressure")?.status).toBe("False");
  });

  test("a host short of disk loses what wrote most, and takes no Pod at all", async () => {
    await cluster.apply(
      podOf("small", { container: { command: shell(write("/tmp/full", 1)) } }),
      podOf("large", { container: { command: shell(write("/tmp/full", 20)) } }),
    );
    await podWhen(cluster, "small", isRunning, 60_000);
    await podWhen(cluster, "large", isRunning, 60_000);
    await restartedWith("--eviction-hard", "nodefs.available<99.9%");

    const large = await podWhen(cluster, "large", isFailed, 60_000);
    expect(large.status?.message).toMatch(
      /^The node was low on resource: ephemeral-storage\. Threshold quantity: \d+\w*, available: \d+\w*\. Container main was using \d+\w*, request is 0, has larger consumption of ephemeral-storage\. $/,
    );
    const small = await podWhen(cluster, "small", isFailed, 60_000);
    expect(endOf(small)).toBeGreaterThanOrEqual(endOf(large));
    const resources = { requests: { memory: "16Mi" } };
    await cluster.apply(
      podOf("refused", { spec: { nodeName: "local-a" }, container: { resources } }),
    );
    const { status } = await podWhen(cluster, "refused", isFailed);
    expect(status?.message).toBe("Pod was rejected: The node had condition: [DiskPressure]. ");
  });
});

/** When the last of its containers ended. */
function endOf({ status }: Pod): number {
  const ends = status?.containerStatuses?.map(({ state }) => state?.terminated?.finishedAt ?? "");
  return Math.max(...(ends ?? []).map((end) => Date.parse(end)));
}
