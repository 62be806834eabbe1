import { expect, test } from "bun:test";
import { ROOMY } from "#test/fixtures/eviction.ts";
import type { Pod } from "../kube/pod.ts";
import type { NodeUsage } from "../usage/usage.ts";
import { cadvisorMetricsFor, resourceMetricsFor } from "./metrics-text.ts";
import { summaryFor } from "./summary.ts";

const AT = Date.parse("2026-01-01T00:01:00Z");
const pod: Pod = {
  metadata: { name: "web", namespace: "default", uid: "uid-1" },
  spec: { nodeName: "local-a", containers: [{ name: "app", image: "busybox" }] },
  status: { startTime: "2026-01-01T00:00:00Z" },
};
const container = {
  name: "app",
  startedAt: "2026-01-01T00:00:01.500Z",
  cpuNanoseconds: 1_500_000_000,
  memoryBytes: 1_000,
  usageBytes: 2_000,
  rssBytes: 500,
  pageFaults: 10,
  majorPageFaults: 1,
  processes: 2,
  rootBytes: 4_096,
  rootInodes: 3,
  logBytes: 512,
  logInodes: 1,
};
const usage: NodeUsage = {
  name: "local-a",
  atMs: AT,
  sinceMs: 0,
  cpuNanoseconds: 9_000_000_000,
  pods: [
    {
      pod,
      atMs: AT,
      containers: [
        { ...container, rate: { nanoCores: 25_000_000, windowMs: 15_000 } },
        { ...container, name: "log", rate: { nanoCores: 5_000_000, windowMs: 15_000 } },
      ],
      volumes: [
        { name: "scratch", usedBytes: 8_192, usedInodes: 2 },
        { name: "memory", usedBytes: 10, usedInodes: 1, capacityBytes: 100 },
      ],
      network: { receivedBytes: 100, sentBytes: 200 },
    },
  ],
};
const size = { memoryBytes: 10_000, host: ROOMY };

test("the summary has the Node's sums and each container's numbers", () => {
  const all = { onlyCpuAndMemory: false };
  expect(summaryFor(usage, size, all)).toMatchObject({
    node: {
      nodeName: "local-a",
      cpu: { usageNanoCores: 30_000_000, usageCoreNanoSeconds: 9_000_000_000 },
      memory: { workingSetBytes: 2_000, usageBytes: 4_000, availableBytes: 8_000 },
      fs: {
        availableBytes: 80 * 2 ** 30,
        capacityBytes: 100 * 2 ** 30,
        usedBytes: 20 * 2 ** 30,
        inodesFree: 900_000,
        inodes: 1_000_000,
        inodesUsed: 100_000,
      },
      runtime: {
        imageFs: { availableBytes: 80 * 2 ** 30, inodes: 1_000_000 },
        containerFs: { usedBytes: 8_192, inodesUsed: 6 },
      },
      rlimit: { maxpid: 32_768, curproc: 2_768 },
    },
    pods: [
      {
        podRef: { name: "web", namespace: "default", uid: "uid-1" },
        startTime: "2026-01-01T00:00:00Z",
        containers: [
          {
            name: "app",
            cpu: { usageNanoCores: 25_000_000, usageCoreNanoSeconds: 1_500_000_000 },
            memory: { workingSetBytes: 1_000, rssBytes: 500 },
            rootfs: { usedBytes: 4_096, inodesUsed: 3, capacityBytes: 100 * 2 ** 30 },
            logs: { usedBytes: 512, inodesUsed: 1, inodesFree: 900_000 },
          },
          { name: "log" },
        ],
        cpu: { usageNanoCores: 30_000_000 },
        network: { name: "eth0", rxBytes: 100, txBytes: 200 },
        volume: [
          { name: "scratch", usedBytes: 8_192, inodesUsed: 2, capacityBytes: 100 * 2 ** 30 },
          { name: "memory", usedBytes: 10, availableBytes: 90, inodesUsed: 1 },
        ],
        "ephemeral-storage": { usedBytes: 2 * (4_096 + 512) + 8_192, inodesUsed: 2 * 4 + 2 },
        process_stats: { process_count: 4 },
      },
    ],
  });
});

test("who asks for CPU and memory alone gets no more, and no rate that is not known", () => {
  const [first] = usage.pods;
  const young = { ...usage, pods: first ? [{ ...first, containers: [container] }] : [] };
  const text = JSON.stringify(summaryFor(young, size, { onlyCpuAndMemory: true }));
  expect(text).not.toMatch(/network|volume|rootfs|logs|"fs"|rlimit|process_stats|usageNanoCores/);
  expect(text).toContain('"usageCoreNanoSeconds":1500000000');
});

test("metrics-server finds its names, labels and times", () => {
  const lines = resourceMetricsFor(usage).split("\n");
  const about = 'container="app",namespace="default",pod="web"';
  expect(lines).toContain(`container_cpu_usage_seconds_total{${about}} 1.5 ${AT}`);
  expect(lines).toContain(`container_memory_working_set_bytes{${about}} 1000 ${AT}`);
  expect(lines).toContain(`container_start_time_seconds{${about}} 1767225601.5`);
  expect(lines).toContain(`node_cpu_usage_seconds_total 9 ${AT}`);
  expect(lines).toContain(`node_memory_working_set_bytes 2000 ${AT}`);
  expect(lines).toContain(`pod_cpu_usage_seconds_total{namespace="default",pod="web"} 3 ${AT}`);
  expect(lines).toContain("# TYPE container_cpu_usage_seconds_total counter");
  expect(lines).toContain("resource_scrape_error 0");
});

test("dashboards find cAdvisor's names, and a hostile image stays in its quotes", () => {
  const [first] = usage.pods;
  const containers = [{ name: "app", image: 'a"b\\c\nd' }];
  const hostile = { ...pod, spec: { ...pod.spec, containers } };
  const text = cadvisorMetricsFor({ ...usage, pods: first ? [{ ...first, pod: hostile }] : [] });
  expect(text).toContain('image="a\\"b\\\\c\\nd"');
  expect(text).toMatch(
    /container_network_receive_bytes_total\{container="",.*interface="eth0"\} 100/,
  );
  expect(text).toMatch(/container_cpu_usage_seconds_total\{container="app",.*cpu="total"\} 1.5/);
  expect(text).toContain("container_memory_rss{");
});

test("a claim's volume is told as the claim's, and is none of what a Pod takes of its Node", () => {
  const claims = [{ name: "data", persistentVolumeClaim: { claimName: "data-web" } }];
  const [only] = usage.pods;
  const volumes = [{ name: "data", usedBytes: 5_000, capacityBytes: 1_000_000 }];
  const claimed = { ...pod, spec: { ...pod.spec, volumes: claims } };
  const pods = only === undefined ? [] : [{ ...only, pod: claimed, volumes }];
  const { pods: told } = Object(summaryFor({ ...usage, pods }, size, { onlyCpuAndMemory: false }));
  expect(told[0]).toMatchObject({
    volume: [
      {
        name: "data",
        usedBytes: 5_000,
        capacityBytes: 1_000_000,
        availableBytes: 995_000,
        pvcRef: { name: "data-web", namespace: "default" },
      },
    ],
    "ephemeral-storage": { usedBytes: 2 * (4_096 + 512) },
  });
});
