import { FksError } from "#core/errors.ts";
import type { Pod, PodStatus } from "#core/kube/pod.ts";
import type { Clock } from "#core/ports/clock.ts";
import type { Log } from "#core/ports/log.ts";
import type { Pods } from "#core/ports/pods.ts";
import type { KubernetesClient } from "./client.ts";
import { ignored } from "./decode.ts";
import { podFrom, podKeyOf } from "./pod-codec.ts";
import { reflect, type Sink } from "./reflect.ts";

export interface KubernetesPodsOptions {
  /** By Node name: the client with that Node's identity. It may watch and write its own Pods only. */
  readonly nodes: ReadonlyMap<string, KubernetesClient>;
  /** May read every Pod: a Node's identity is told 403 about a Pod that is gone. */
  readonly reader: KubernetesClient;
  /** The body of the status PATCH, UID included; `undefined` when there is nothing to write. */
  readonly statusPatchFor: (pod: Pod, status: PodStatus) => object | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

export interface KubernetesPods extends Pods {
  /** Calls back with the key of every Pod that may have changed, appeared or gone. */
  onChange(listener: (key: string) => void): void;
  /** Watches until `signal` aborts. */
  run(signal: AbortSignal): Promise<void>;
}

/** The Pods of all our Nodes: one watch for each Node, merged. */
export function kubernetesPods(options: KubernetesPodsOptions): KubernetesPods {
  const { nodes, reader, statusPatchFor, clock, log } = options;
  const watched = new Map<string, Pod>();
  const synced = new Set<string>();
  const changeListeners: ((key: string) => void)[] = [];

  const changed = (key: string): void => {
    for (const listener of changeListeners) listener(key);
  };

  const sinkOf = (node: string): Sink<Pod> => ({
    replace(items) {
      const seen = new Set(items.map(podKeyOf));
      const missed = [...watched]
        .filter(([key, { spec }]) => spec.nodeName === node && !seen.has(key))
        .map(([key]) => key);
      for (const key of missed) watched.delete(key);
      for (const pod of items) watched.set(podKeyOf(pod), pod);
      synced.add(node);
      // Not in the list is no proof, but a reason to ask.
      for (const key of [...missed, ...seen]) changed(key);
    },
    put(pod) {
      watched.set(podKeyOf(pod), pod);
      changed(podKeyOf(pod));
    },
    drop(pod) {
      const key = podKeyOf(pod);
      watched.delete(key);
      changed(key);
    },
  });

  const clientOf = (pod: Pod): KubernetesClient => nodes.get(pod.spec.nodeName ?? "") ?? reader;

  return {
    get: (key) => watched.get(key),
    keys: () => [...watched.keys()],
    isSynced: () => synced.size === nodes.size,
    onChange: (listener) => void changeListeners.push(listener),

    async read(namespace, name, signal) {
      return undefinedWhenGone(reader.get(podPath(namespace, name), podFrom, signal));
    },

    async list(signal) {
      const lists = await Promise.all(
        [...nodes.keys()].map((node) => reader.list("/api/v1/pods", onNode(node), podFrom, signal)),
      );
      return lists.flatMap(({ items }) => items);
    },

    async patchStatus(pod, status, signal) {
      const { namespace, name } = pod.metadata;
      const path = `${podPath(namespace, name)}/status`;
      const body = statusPatchFor(pod, status);
      if (body === undefined) return;
      await clientOf(pod).patch({ path, type: "strategic-merge-patch", body }, ignored, signal);
    },

    async remove(pod, signal) {
      const { namespace, name, uid } = pod.metadata;
      const now = { uid, gracePeriodSeconds: 0 };
      try {
        await clientOf(pod).remove(podPath(namespace, name), now, signal);
      } catch (error) {
        // Gone, or the name belongs to another Pod: either way this one is no more.
        if (FksError.is(error, "NotFound") || FksError.is(error, "Conflict")) return;
        throw error;
      }
    },

    async run(signal) {
      await Promise.all(
        [...nodes].map(([node, client]) => {
          const from = { client, path: "/api/v1/pods", query: onNode(node), decode: podFrom };
          return reflect({ ...from, sink: sinkOf(node), clock, log }, signal);
        }),
      );
    },
  };
}

function onNode(node: string): { readonly fieldSelector: string } {
  return { fieldSelector: `spec.nodeName=${node}` };
}

function podPath(namespace: string, name: string): string {
  return `/api/v1/namespaces/${namespace}/pods/${name}`;
}

async function undefinedWhenGone<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (FksError.is(error, "NotFound")) return undefined;
    throw error;
  }
}
