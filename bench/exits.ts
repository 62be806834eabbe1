/**
 * From the end of a container's process to the watch that tells of it, beside what the API server takes
 * from a patch of the same Pod to the same watch. Root; `bun bench/exits.ts [pods]`.
 */
import { readFileSync } from "node:fs";
import { ignored } from "#adapters/kubernetes/decode.ts";
import type { Pod } from "#core/kube/pod.ts";
import { startCluster } from "#test/e2e/cluster.ts";
import { loadImages } from "#test/e2e/images.ts";
import { podOf } from "#test/e2e/objects.ts";
import { administrator, PODS_PATH, watchPods } from "./api.ts";
import { quantile, table } from "./figures.ts";
import { hostPlaceOf } from "./host-place.ts";

const COUNT = Number(process.argv[2] ?? 100);
const NODE = "local-a";
const { signal } = new AbortController();

type Look = (pod: Pod) => void;

const cluster = await startCluster(["--node-capacity", `cpu=100,memory=100Gi,pods=${COUNT * 2}`]);
try {
  await loadImages(cluster);
  const client = await administrator(cluster.env["KUBECONFIG"] ?? "");
  const looks = new Map<string, Look>();
  const names = Array.from({ length: COUNT }, (_, at) => `p${at}`);
  let isOver = false;
  const watching = watchPods(client, NODE, (pod) => {
    looks.get(pod.metadata.name)?.(pod);
    return isOver;
  });

  /** The Pod when the watch first shows it so. */
  const seen = (name: string, isSo: (pod: Pod) => boolean): Promise<Pod> => {
    const { promise, resolve } = Promise.withResolvers<Pod>();
    looks.set(name, (pod) => {
      if (isSo(pod)) resolve(pod);
    });
    return promise;
  };

  const started = names.map((name) => seen(name, ({ status }) => status?.phase === "Running"));
  const spec = { nodeName: NODE, restartPolicy: "Never" };
  const container = { command: ["sleep", "100000"] };
  await cluster.apply(...names.map((name) => podOf(name, { spec, container })));
  const pods = await Promise.all(started);

  const patches: number[] = [];
  const ends: number[] = [];
  for (const pod of pods) {
    const { name } = pod.metadata;
    const annotated = seen(name, ({ metadata }) => metadata.annotations?.["bench"] === "1");
    const body = { metadata: { annotations: { bench: "1" } } };
    const patchedAt = performance.now();
    await client.patch(
      { path: `${PODS_PATH}/${name}`, type: "merge-patch", body },
      ignored,
      signal,
    );
    await annotated;
    patches.push(performance.now() - patchedAt);

    const failed = seen(name, ({ status }) => status?.phase === "Failed");
    const pid = Number(readFileSync(hostPlaceOf(cluster.dataDir, pod).pid, "utf8"));
    const killedAt = performance.now();
    process.kill(pid, "SIGKILL");
    await failed;
    ends.push(performance.now() - killedAt);
  }
  isOver = true;
  await client.remove(`${PODS_PATH}/p0`, {}, signal);
  await watching;
  console.log(`${COUNT} Pods, one after the other, milliseconds to the watch\n`);
  console.log(
    table(
      ["", "median", "p99"],
      [
        row("end of the process to `Failed`", ends),
        row("patch of the Pod", patches),
        ["ratio of medians", (quantile(ends, 0.5) / quantile(patches, 0.5)).toFixed(1), ""],
      ],
    ),
  );
} finally {
  await cluster.close();
}

function row(what: string, ms: readonly number[]): readonly (string | number)[] {
  return [what, quantile(ms, 0.5), quantile(ms, 0.99)];
}
