import { createHash } from "node:crypto";
import { FksError } from "#core/errors.ts";
import type { Pod } from "#core/kube/pod.ts";
import { type Clock, sleep } from "#core/ports/clock.ts";
import type { Log } from "#core/ports/log.ts";
import type { PodEvent, PodEvents } from "#core/ports/pods.ts";
import type { KubernetesClient } from "./client.ts";
import { ignored } from "./decode.ts";

const QUEUE_MAX_EVENTS = 20_000;
const TOLD_MAX_IDS = 50_000;
/** Few at a time: a status PATCH must never wait behind Events. */
const WORKERS = 2;
const MIN_GAP_MS = 10;
const TRIES = 5;
/** The API server forgets Events after an hour; telling an older one would bring it back. */
const MAX_AGE_MS = 3_600_000;

export interface KubernetesPodEventsOptions {
  /** By Node name: the client with that Node's identity. */
  readonly nodes: ReadonlyMap<string, KubernetesClient>;
  readonly clock: Clock;
  readonly log: Log;
}

export interface KubernetesPodEvents extends PodEvents {
  /** Sends what was recorded until `signal` aborts. */
  run(signal: AbortSignal): Promise<void>;
}

/** Events of Pods. `record` only queues; `run` sends, slowly, so that a burst delays nothing else. */
export function kubernetesPodEvents(options: KubernetesPodEventsOptions): KubernetesPodEvents {
  const { nodes, clock, log } = options;
  const queue: Entry[] = [];
  const told = new Set<string>();
  let dropped = 0;
  let wake = Promise.withResolvers<void>();

  const send = async ({ pod, event }: Entry, signal: AbortSignal): Promise<void> => {
    const client = nodes.get(pod.spec.nodeName ?? "");
    if (client === undefined) return;
    const path = `/api/v1/namespaces/${pod.metadata.namespace}/events`;
    for (let attempt = 1; ; attempt += 1) {
      try {
        await client.create(path, eventFor(pod, event), ignored, signal);
        return;
      } catch (err) {
        signal.throwIfAborted();
        // Told already, by this process or the one before it.
        if (FksError.is(err, "Conflict")) return;
        if (!isWorthRetrying(err) || attempt === TRIES) {
          log.warn("event dropped", { pod: pod.metadata.name, reason: event.reason, err });
          return;
        }
        const { retryAfterMs } = err;
        await sleep(clock, Math.max(500 * 2 ** attempt, retryAfterMs ?? 0), signal);
      }
    }
  };

  const work = async (stopped: Promise<void>, signal: AbortSignal): Promise<void> => {
    while (!signal.aborted) {
      const entry = queue.shift();
      if (entry === undefined) {
        await Promise.race([wake.promise, stopped]);
        continue;
      }
      await send(entry, signal);
      await sleep(clock, MIN_GAP_MS, signal);
    }
  };

  return {
    async record(pod, event) {
      const id = `${pod.metadata.uid}/${event.id}`;
      if (told.has(id) || clock.now() - Date.parse(event.at) > MAX_AGE_MS) return;
      if (queue.length >= QUEUE_MAX_EVENTS) {
        dropped += 1;
        if (dropped % 1_000 === 1) log.warn("events dropped, the queue is full", { dropped });
        return;
      }
      remember(told, id);
      queue.push({ pod, event });
      wake.resolve();
      wake = Promise.withResolvers<void>();
    },
    async run(signal) {
      const stopped = aborted(signal);
      const workers = Array.from({ length: WORKERS }, () =>
        work(stopped, signal).catch((error) => {
          if (!signal.aborted) throw error;
        }),
      );
      await Promise.all(workers);
    },
  };
}

interface Entry {
  readonly pod: Pod;
  readonly event: PodEvent;
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
    message: event.message.slice(0, 1_024),
    count: 1,
    firstTimestamp: event.at,
    lastTimestamp: event.at,
    source: { component: "kubelet", host },
    reportingComponent: "kubelet",
    reportingInstance: host,
  };
}

function isWorthRetrying(error: unknown): error is FksError {
  return FksError.is(error, "Unavailable") || FksError.is(error, "RateLimited");
}

/** Adds `id`, and forgets the oldest ones beyond the bound. */
function remember(told: Set<string>, id: string): void {
  told.add(id);
  for (const oldest of told) {
    if (told.size <= TOLD_MAX_IDS) return;
    told.delete(oldest);
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal.aborted) resolve();
  signal.addEventListener("abort", () => resolve(), { once: true });
  return promise;
}
