import { hostClock } from "#adapters/host/clock.ts";
import { type KubernetesClient, kubernetesClient } from "#adapters/kubernetes/client.ts";
import { ignored } from "#adapters/kubernetes/decode.ts";
import { accessFrom } from "#adapters/kubernetes/kubeconfig.ts";
import { podFrom } from "#adapters/kubernetes/pod-codec.ts";
import type { Pod } from "#core/kube/pod.ts";

export const PODS_PATH = "/api/v1/namespaces/default/pods";

const { signal } = new AbortController();

/** The API server of this kubeconfig, as its administrator. */
export async function administrator(kubeconfig: string): Promise<KubernetesClient> {
  const { server, ca, credentials } = accessFrom(await Bun.file(kubeconfig).text());
  return kubernetesClient({
    server,
    ...(ca === undefined ? {} : { ca }),
    credentials: () => credentials,
    clock: hostClock(),
  });
}

/** A Pod that is bound already: no scheduler between the create and its Node. */
export function boundPod(name: string, node: string): object {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, labels: { bench: node } },
    spec: {
      nodeName: node,
      terminationGracePeriodSeconds: 1,
      containers: [{ name: "main", image: "bench/nothing:1", imagePullPolicy: "IfNotPresent" }],
    },
  };
}

/** Every Pod of `node` there is, and then as it changes; `onPod` returns true to end. */
export async function watchPods(
  client: KubernetesClient,
  node: string,
  onPod: (pod: Pod) => boolean,
): Promise<void> {
  const query = { fieldSelector: `spec.nodeName=${node}` };
  const { items, ...list } = await client.list(PODS_PATH, query, podFrom, signal);
  let { resourceVersion } = list;
  if (items.some(onPod)) return;
  for (;;) {
    const watch = { ...query, resourceVersion, allowWatchBookmarks: "true" };
    for await (const event of client.watch(PODS_PATH, watch, podFrom, signal)) {
      if (event.type === "EXPIRED") throw new Error("the watch fell behind");
      resourceVersion = event.resourceVersion;
      if (event.type !== "BOOKMARK" && onPod(event.object)) return;
    }
  }
}

/** Creates `count` Pods on `node`, `creators` at a time. */
export async function createPods(
  client: KubernetesClient,
  { node, count, creators }: { node: string; count: number; creators: number },
): Promise<void> {
  let next = 0;
  const creator = async (): Promise<void> => {
    while (next < count) {
      const name = `${node}-${next++}`;
      await client.create(PODS_PATH, boundPod(name, node), ignored, signal);
    }
  };
  await Promise.all(Array.from({ length: creators }, creator));
}
