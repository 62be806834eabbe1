/**
 * From the command line to the first Pod: `serve` with an empty data directory and again with its own,
 * with real containers. Root; `bun bench/serve.ts [rounds]`.
 */
import { type Cluster, startCluster } from "#test/e2e/cluster.ts";
import { loadImages } from "#test/e2e/images.ts";
import { isRunning, podOf, podWhen } from "#test/e2e/objects.ts";
import { quantile, table } from "./figures.ts";

const ROUNDS = Number(process.argv[2] ?? 3);

interface Start {
  /** Every Node Ready and every part of `serve` ready, in milliseconds. */
  readonly readyMs: number;
  /** From then to the first Pod's Ready condition, kubectl's own time included. */
  readonly podMs: number;
}

const cold: Start[] = [];
const warm: Start[] = [];
for (let round = 0; round < ROUNDS; round += 1) {
  const startedAt = performance.now();
  const cluster = await startCluster();
  const readyMs = performance.now() - startedAt;
  try {
    await loadImages(cluster);
    cold.push({ readyMs, podMs: await firstPod(cluster, "cold") });
    await cluster.stop();
    const againAt = performance.now();
    await cluster.start();
    warm.push({
      readyMs: performance.now() - againAt,
      podMs: await firstPod(cluster, "warm"),
    });
  } finally {
    await cluster.close();
  }
}
const row = (name: string, starts: readonly Start[]): readonly (string | number)[] => [
  name,
  quantile(
    starts.map(({ readyMs }) => readyMs / 1_000),
    0.5,
  ),
  quantile(
    starts.map(({ podMs }) => podMs / 1_000),
    0.5,
  ),
];
console.log(`${ROUNDS} rounds, medians in seconds\n`);
console.log(
  table(
    ["`serve`", "command to all Nodes Ready", "then to the first Pod Ready"],
    [row("empty data directory", cold), row("its own data directory", warm)],
  ),
);

async function firstPod(cluster: Cluster, name: string): Promise<number> {
  const startedAt = performance.now();
  await cluster.apply(podOf(name));
  await podWhen(cluster, name, isRunning);
  return performance.now() - startedAt;
}
