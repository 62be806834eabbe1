import { createHash } from "node:crypto";
import { FksError } from "#core/errors.ts";
import type { Clock } from "#core/ports/clock.ts";
import type { Log } from "#core/ports/log.ts";
import type { EventObject, ObjectEvent, ObjectEvents } from "#core/ports/object-events.ts";
import type { KubernetesClient } from "./client.ts";
import { ignored } from "./decode.ts";

const MESSAGE_MAX_CHARS = 1_024;
/** The API server forgets an Event after an hour; then the same news is told again. */
const AGAIN_MS = 3_600_000;
const TOLD_MAX = 5_000;

interface ObjectEventsOptions {
  readonly client: KubernetesClient;
  /** Who tells: `fks-node-cloud-controller`. */
  readonly component: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** Events of any object, each told once an hour at most. */
export function objectEvents(options: ObjectEventsOptions): ObjectEvents {
  const { client, component, clock, log } = options;
  const told = new Map<string, number>();

  return {
    async tell(about, event, signal) {
      const body = eventFor(about, event, component, clock.now());
      const nowMs = clock.now();
      const { name, namespace } = body.metadata;
      if ((told.get(name) ?? Number.NEGATIVE_INFINITY) > nowMs - AGAIN_MS) return;
      try {
        await client.create(`/api/v1/namespaces/${namespace}/events`, body, ignored, signal);
      } catch (err) {
        // Told already, by the process before this one.
        if (!(err instanceof FksError)) throw err;
        if (err.code !== "Conflict") return log.warn("event not told", { event, err });
      }
      told.delete(name);
      told.set(name, nowMs);
      const [oldest] = told.keys();
      if (told.size > TOLD_MAX && oldest !== undefined) told.delete(oldest);
    },
  };
}

/** The Event object. Its name is a function of object and news, so that telling it twice is one. */
function eventFor(about: EventObject, event: ObjectEvent, component: string, nowMs: number) {
  const { apiVersion, kind, metadata } = about;
  const { name, namespace, uid } = metadata;
  const { type, reason } = event;
  const message = event.message.slice(0, MESSAGE_MAX_CHARS);
  const at = new Date(nowMs).toISOString().replace(/\.\d+Z$/, "Z");
  const hash = createHash("sha256").update(`${uid}/${reason}/${message}`).digest("hex");
  return {
    apiVersion: "v1",
    kind: "Event",
    // Where kubectl looks for Events of what is in no namespace.
    metadata: {
      name: `${name.slice(0, 236)}.${hash.slice(0, 16)}`,
      namespace: namespace ?? "default",
    },
    involvedObject: { apiVersion, kind, name, namespace, uid },
    type,
    reason,
    message,
    count: 1,
    firstTimestamp: at,
    lastTimestamp: at,
    source: { component },
    reportingComponent: component,
    reportingInstance: component,
  };
}
