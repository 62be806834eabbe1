/**
 * A burst of Pods with runtime `none`: first create to last Running seen by a watch, beside a bare loop
 * that only patches statuses, turn by turn on one control plane. Also restart and memory with all of
 * them running. Root; `bun bench/pods.ts [pods] [rounds]`.
 */

import type { KubernetesClient } from "#adapters/kubernetes/client.ts";
import { ignored } from "#adapters/kubernetes/decode.ts";
import { podFrom } from "#adapters/kubernetes/pod-codec.ts";
import { type Cluster, startCluster } from "#test/e2e/cluster.ts";
import { eventually } from "#test/e2e/process.ts";
import { administrator, createPods, PODS_PATH, watchPods } from "./api.ts";
import { quantile, table } from "./figures.ts";
import { type MemoryUse, memoryOf } from "./memory.ts";

const COUNT = Number(process.argv[2] ?? 1_000);
const ROUNDS = Number(process.argv[3] ?? 3);
const CREATORS = 32;
const BARE_NODE = "bare";
const { signal } = new AbortController();

const capacity = `cpu=10000,memory=10000Gi,pods=${COUNT * 2}`;
const cluster = await startCluster(["--runtime", "none", "--node-capacity", capacity]);
try {
  const client = await administrator(cluster.env["KUBECONFIG"] ?? "");
  const idle = memoryOf(cluster.pid());
  await addBareNode(client);
  const ours: number[] = [];
  const bare: number[] = [];
  let loaded = idle;
  for (let round = 0; round < ROUNDS; round += 1) {
    bare.push(await bareBurst(cluster, client));
    await removeAll(client, BARE_NODE);
    ours.push(await burst(client, "local-a"));
    if (round === ROUNDS - 1) loaded = memoryOf(cluster.pid());
    else await removeAll(client, "local-a");
  }
  await client.remove(`/api/v1/nodes/${BARE_NODE}`, {}, signal);
  const restartMs = await restarted(cluster);
  print({ ours, bare, idle, loaded, restartMs });
} finally {
  await cluster.close();
}

async function addBareNode(client: KubernetesClient): Promise<void> {
  const node = { apiVersion: "v1", kind: "Node", metadata: { name: BARE_NODE } };
  await client.create("/api/v1/nodes", node, ignored, signal);
}

/** Milliseconds from the first create to the last Pod seen Running. */
async function burst(client: KubernetesClient, node: string): Promise<number> {
  const running = new Set<string>();
  const watching = watchPods(client, node, ({ metadata, status }) => {
    if (status?.phase === "Running") running.add(metadata.uid);
    return running.size === COUNT;
  });
  await Bun.sleep(200);
  const startedAt = performance.now();
  await Promise.all([createPods(client, { node, count: COUNT, creators: CREATORS }), watching]);
  return performance.now() - startedAt;
}

async function bareBurst({ env }: Cluster, client: KubernetesClient): Promise<number> {
  const kubeconfig = env["KUBECONFIG"] ?? "";
  const command = [process.execPath, "bench/bare-loop.ts", kubeconfig, BARE_NODE, String(COUNT)];
  const loop = Bun.spawn(command, { stdin: "ignore", stdout: "pipe", stderr: "inherit" });
  await loop.stdout.getReader().read();
  const tookMs = await burst(client, BARE_NODE);
  loop.kill();
  await loop.exited;
  return tookMs;
}

/** All at once, and waits until they are gone; nobody but us would end the bare Node's. */
async function removeAll(client: KubernetesClient, node: string): Promise<void> {
  const selector = `labelSelector=${encodeURIComponent(`bench=${node}`)}`;
  const gracePeriodSeconds = node === BARE_NODE ? 0 : 1;
  await client.remove(`${PODS_PATH}?${selector}`, { gracePeriodSeconds }, signal);
  const query = { labelSelector: `bench=${node}` };
  await eventually(
    `the Pods of ${node} are gone`,
    async () => {
      const { items } = await client.list(PODS_PATH, query, podFrom, signal);
      return items.length === 0 ? true : undefined;
    },
    { timeoutMs: 120_000 },
  );
}

/** From the new `serve`'s first line until every part is ready, under all the Pods. */
async function restarted(there: Cluster): Promise<number> {
  await there.stop();
  const startedAt = performance.now();
  await there.start();
  const tookMs = performance.now() - startedAt;
  await eventually("no Pod flapped", async () => {
    const text = await there.kubectl(["get", "pods", "-l", "bench=local-a", "--no-headers"]);
    return text.match(/1\/1 +Running +0/g)?.length === COUNT ? true : undefined;
  });
  return tookMs;
}

interface Figures {
  readonly ours: readonly number[];
  readonly bare: readonly number[];
  readonly idle: MemoryUse;
  readonly loaded: MemoryUse;
  readonly restartMs: number;
}

function print({ ours, bare, idle, loaded, restartMs }: Figures): void {
  console.log(`${COUNT} Pods bound at creation, ${CREATORS} creators, ${ROUNDS} rounds\n`);
  console.log(
    table(
      ["first create to last Running", "median", "best"],
      [
        ["fks-node, runtime none", ...seconds(ours)],
        ["bare loop of one status patch", ...seconds(bare)],
        ["ratio of medians", (quantile(ours, 0.5) / quantile(bare, 0.5)).toFixed(2), ""],
      ],
    ),
  );
  console.log(
    `\n\`serve\` again under ${COUNT} Running Pods: ${(restartMs / 1_000).toFixed(1)} s\n`,
  );
  const roles = Object.keys(loaded.ours).toSorted();
  console.log(
    table(
      ["proportional memory, MiB", "idle", `${COUNT} Pods`],
      [
        ...roles.map((role) => [role, idle.ours[role] ?? 0, loaded.ours[role] ?? 0]),
        ["all of ours", total(idle), total(loaded)],
        ["control plane", idle.controlPlane, loaded.controlPlane],
      ],
    ),
  );
}

/** Median and best, in seconds. */
function seconds(samples: readonly number[]): readonly string[] {
  return [quantile(samples, 0.5), Math.min(...samples)].map((ms) => `${(ms / 1_000).toFixed(2)} s`);
}

function total({ ours }: MemoryUse): number {
  return Object.values(ours).reduce((sum, mebibytes) => sum + mebibytes, 0);
}
