import { FksError } from "#core/errors.ts";
import type { Pod } from "#core/kube/pod.ts";
import type { Clock } from "#core/ports/clock.ts";
import type { NodeEvents, PodEvent, PodEvents } from "#core/ports/pods.ts";
import type { KubernetesClient } from "./client.ts";
import { ignored } from "./decode.ts";
import { eventObject } from "./event-object.ts";

/** The API server forgets Events after an hour; telling an older one would bring it back. */
const MAX_AGE_MS = 3_600_000;

export interface KubernetesPodEventsOptions {
  /** By Node name: the client with that Node's identity. */
  readonly nodes: ReadonlyMap<string, KubernetesClient>;
  readonly clock: Clock;
}

/** Events of Pods, each told by the Node the Pod runs on. */
export function kubernetesPodEvents({ nodes, clock }: KubernetesPodEventsOptions): PodEvents {
  return {
    async record(pod, event, signal) {
      const client = nodes.get(pod.spec.nodeName ?? "");
      if (client === undefined || clock.now() - Date.parse(event.at) > MAX_AGE_MS) return;
      await create(client, pod.metadata.namespace, eventFor(pod, event), signal);
    },
  };
}

/** Events of the Nodes themselves; they stand where `kubectl describe node` looks for them. */
export function kubernetesNodeEvents({
  nodes,
}: Pick<KubernetesPodEventsOptions, "nodes">): NodeEvents {
  return {
    async record(node, event, signal) {
      const client = nodes.get(node);
      if (client === undefined) return;
      // As the kubelet does it, who is meant goes by the Node's name alone.
      const about = { apiVersion: "v1", kind: "Node", name: node, uid: node };
      await create(client, "default", eventAbout(about, event, node, "default"), signal);
    },
  };
}

async function create(
  client: KubernetesClient,
  namespace: string,
  body: object,
  signal: AbortSignal,
): Promise<void> {
  try {
    await client.create(`/api/v1/namespaces/${namespace}/events`, body, ignored, signal);
  } catch (error) {
    // Told already, by this process or the one before it.
    if (!FksError.is(error, "Conflict")) throw error;
  }
}

/** The Event object. Its name is a function of Pod and event, so that telling it twice is one. */
export function eventFor(pod: Pod, event: PodEvent): object {
  const { name, namespace, uid, resourceVersion } = pod.metadata;
  const { fieldPath } = event;
  const about = { apiVersion: "v1", kind: "Pod", name, namespace, uid, resourceVersion, fieldPath };
  return eventAbout(about, event, pod.spec.nodeName ?? "", namespace);
}

function eventAbout(
  about: { readonly name: string; readonly uid: string },
  event: PodEvent,
  host: string,
  namespace: string,
): object {
  const source = { component: "kubelet", host };
  return eventObject({ about, namespace, news: event, id: event.id, source });
}
