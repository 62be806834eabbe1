/**
 * The peer of `bench/pods.ts`: a loop that knows nothing of Machines and patches each Pod of one Node
 * to Running once. `bun bench/bare-loop.ts KUBECONFIG NODE COUNT`.
 */
import { ignored } from "#adapters/kubernetes/decode.ts";
import type { Pod } from "#core/kube/pod.ts";
import { administrator, PODS_PATH, watchPods } from "./api.ts";

const [kubeconfig = "", node = "", count = "0"] = process.argv.slice(2);
const client = await administrator(kubeconfig);
const seen = new Set<string>();
const writes: Promise<void>[] = [];
const { signal } = new AbortController();

console.log("watching");
await watchPods(client, node, (pod) => {
  if (seen.has(pod.metadata.uid)) return false;
  seen.add(pod.metadata.uid);
  writes.push(run(pod));
  return seen.size === Number(count);
});
await Promise.all(writes);

function run({ metadata, spec }: Pod): Promise<void> {
  const now = new Date().toISOString().replace(/\.\d+Z/, "Z");
  const condition = (type: string): object => ({
    type,
    status: "True",
    lastTransitionTime: now,
  });
  const status = {
    phase: "Running",
    startTime: now,
    hostIP: "fdaa::1",
    podIP: "fdaa::2",
    podIPs: [{ ip: "fdaa::2" }],
    conditions: ["Initialized", "ContainersReady", "Ready"].map(condition),
    containerStatuses: spec.containers.map(({ name, image }) => ({
      name,
      image,
      imageID: "",
      ready: true,
      started: true,
      restartCount: 0,
      state: { running: { startedAt: now } },
    })),
  };
  return client.patch(
    {
      path: `${PODS_PATH}/${metadata.name}/status`,
      type: "strategic-merge-patch",
      body: { metadata: { uid: metadata.uid }, status },
    },
    ignored,
    signal,
  );
}
