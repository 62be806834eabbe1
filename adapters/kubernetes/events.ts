import { createHash } from "node:crypto";
import { FksError } from "#core/errors.ts";
import type { Pod } from "#core/kube/pod.ts";
import type { Clock } from "#core/ports/clock.ts";
import type { PodEvent, PodEvents } from "#core/ports/pods.ts";
import type { KubernetesClient } from "./client.ts";
import { ignored } from "./decode.ts";

const MESSAGE_MAX_CHARS = 1_024;
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
      const path = `/api/v1/namespaces/${pod.metadata.namespace}/events`;
      try {
        await client.create(path, eventFor(pod, event), ignored, signal);
      } catch (error) {
        // Told already, by this process or the one before it.
        if (!FksError.is(error, "Conflict")) throw error;
      }
    },
  };
}

/** The Event object. Its name is a function of Pod and event, so that telling it twice is one. */
export function eventFor(pod: Pod, event: PodEvent): object {
  const { name, namespace, uid, resourceVersion } = pod.metadata;
  const host = pod.spec.nodeName ?? "";
  const hash = createHash("sha256").update(`${uid}/${event.id}`).digest("hex").slice(0, 16);
  return {
    apiVersion: "v1",
    kind: "Event",
    metadata: { name: `${name.slice(0, 236)}.${hash}`, namespace },
    involvedObject: {
      apiVersion: "v1",
      kind: "Pod",
      name,
      namespace,
      uid,
      resourceVersion,
      fieldPath: event.fieldPath,
    },
    type: event.type,
    reason: event.reason,
    message: event.message.slice(0, MESSAGE_MAX_CHARS),
    count: 1,
    firstTimestamp: event.at,
    lastTimestamp: event.at,
    source: { component: "kubelet", host },
    reportingComponent: "kubelet",
    reportingInstance: host,
  };
}
