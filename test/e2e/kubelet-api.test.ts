import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Pod } from "#core/kube/pod.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import { loadImages, WEB_IMAGE } from "./images.ts";
import { isRunning, podWhen } from "./objects.ts";
import { eventually } from "./process.ts";

/** A rate needs two looks, fifteen seconds apart. */
const METERED_MS = 60_000;
const SCALED_MS = 180_000;

interface Summary {
  readonly node: {
    readonly nodeName: string;
    readonly memory: { workingSetBytes: number };
    readonly fs: { capacityBytes: number };
  };
  readonly pods: readonly {
    readonly podRef: { readonly name: string };
    readonly cpu: { readonly usageCoreNanoSeconds: number };
    readonly memory: { readonly workingSetBytes: number };
  }[];
}

describe("the kubelet API and metrics", () => {
  let cluster: Cluster;
  let web: Pod;

  beforeAll(async () => {
    cluster = await startCluster();
    await loadImages(cluster);
    await cluster.kubectl(["run", "web", `--image=${WEB_IMAGE}`, "--port=8080"]);
    web = await podWhen(cluster, "web", isRunning);
  });
  afterAll(() => cluster.close());

  const onNode = (path: string) =>
    cluster.kubectl(["get", "--raw", `/api/v1/nodes/${web.spec.nodeName}/proxy/${path}`]);

  const top = (...args: readonly string[]) =>
    eventually(
      "it is metered",
      async () => {
        const { exitCode, stdout, stderr } = await cluster.tryKubectl(["top", ...args]);
        if (exitCode !== 0) throw new Error(stderr);
        return stdout;
      },
      { timeoutMs: METERED_MS },
    );

  describe("what Pods use", () => {
    test("the summary of a Node has its Pods", async () => {
      const { node, told } = await eventually("the Pod is read", async () => {
        const summary: Summary = JSON.parse(await onNode("stats/summary"));
        const found = summary.pods.find(({ podRef }) => podRef.name === "web");
        return found && { node: summary.node, told: found };
      });
      expect(node.nodeName).toBe(web.spec.nodeName ?? "");
      expect(told.cpu.usageCoreNanoSeconds).toBeGreaterThan(0);
      expect(told.memory.workingSetBytes).toBeGreaterThan(10_000);
      expect(node.memory.workingSetBytes).toBeGreaterThanOrEqual(told.memory.workingSetBytes);
      const rest = { capacityBytes: node.fs.capacityBytes, inodesFree: expect.any(Number) };
      const disk = { usedBytes: expect.any(Number), inodesUsed: expect.any(Number), ...rest };
      expect(node).toMatchObject({ fs: disk, rlimit: { curproc: expect.any(Number) } });
      expect(told).toMatchObject({
        containers: [{ name: "web", rootfs: disk, logs: disk }],
        "ephemeral-storage": disk,
      });
    });

    test("Prometheus finds the names it knows", async () => {
      expect(await onNode("metrics/resource")).toContain(
        'container_cpu_usage_seconds_total{container="web",namespace="default",pod="web"}',
      );
      expect(await onNode("metrics/cadvisor")).toMatch(
        /container_network_receive_bytes_total\{container="",.*pod="web",interface="eth0"\} \d+/,
      );
    });

    test("a checkpoint is refused by name", async () => {
      const path = `/api/v1/nodes/${web.spec.nodeName}/proxy/checkpoint/default/web/web`;
      const { exitCode, stderr } = await cluster.tryKubectl(["create", "--raw", path, "-f", "-"], {
        stdin: "{}",
      });
      expect(exitCode).not.toBe(0);
      expect(stderr).toContain("cannot be checkpointed");
    });

    test("kubectl top shows Nodes and Pods", async () => {
      expect(await top("pods", "web", "--no-headers")).toMatch(/^web\s+\d+m\s+\d+Mi/);
      expect(await top("pods", "-A", "--containers")).toMatch(/default\s+web\s+web\s+\d+m/);
      expect(await top("pods", "-l", "run=web", "--no-headers")).toMatch(/^web /);
      expect(await top("nodes")).toMatch(/local-a\s+\d+m\s+\d+%\s+\d+Mi\s+\d+%/);
    });

    test("who may view a namespace may see what its Pods use, and nobody else", async () => {
      await cluster.kubectl(["create", "serviceaccount", "viewer"]);
      const bind = ["create", "rolebinding", "viewer", "--clusterrole=view"];
      await cluster.kubectl([...bind, "--serviceaccount=default:viewer"]);
      const as = "--as=system:serviceaccount:default:viewer";
      await eventually(
        "the right is known",
        async () => {
          const { exitCode } = await cluster.tryKubectl(["top", "pod", "web", as]);
          return exitCode === 0 ? true : undefined;
        },
        { timeoutMs: METERED_MS },
      );
      const elsewhere = await cluster.tryKubectl(["top", "pods", "-n", "kube-system", as]);
      expect(elsewhere.stderr).toContain("forbidden");
    });
  });

  test(
    "a HorizontalPodAutoscaler scales a Deployment under load",
    async () => {
      const container = {
        name: "main",
        image: WEB_IMAGE,
        command: ["sh", "-c", "while :; do :; done"],
        resources: {
          requests: { cpu: "20m", memory: "16Mi" },
          limits: { cpu: "60m", memory: "16Mi" },
        },
      };
      const labels = { app: "busy" };
      const spec = { terminationGracePeriodSeconds: 1, containers: [container] };
      const deployment = {
        apiVersion: "apps/v1",
        kind: "Deployment",
        metadata: { name: "busy" },
        spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec } },
      };
      await cluster.apply(deployment, {
        apiVersion: "autoscaling/v2",
        kind: "HorizontalPodAutoscaler",
        metadata: { name: "busy" },
        spec: {
          scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "busy" },
          minReplicas: 1,
          maxReplicas: 2,
          metrics: [
            {
              type: "Resource",
              resource: { name: "cpu", target: { type: "Utilization", averageUtilization: 50 } },
            },
          ],
        },
      });
      await eventually(
        "two replicas are there",
        async () => {
          const { status } = await cluster.get<{ status: { readyReplicas?: number } }>(
            "deployment",
            "busy",
          );
          return status.readyReplicas === 2 ? true : undefined;
        },
        {
          timeoutMs: SCALED_MS,
          explain: () => cluster.kubectl(["describe", "hpa", "busy"]),
        },
      );
      const described = await cluster.kubectl(["describe", "hpa", "busy"]);
      expect(described).toMatch(/ScalingActive +True/);
      await cluster.kubectl(["delete", "hpa,deployment", "busy"]);
    },
    SCALED_MS + 60_000,
  );
});
