import { FksError } from "#core/errors.ts";
import type { Clock } from "#core/ports/clock.ts";
import type { Log } from "#core/ports/log.ts";
import type { EventObject, ObjectEvent, ObjectEvents } from "#core/ports/object-events.ts";
import type { KubernetesClient } from "./client.ts";
import { ignored } from "./decode.ts";
import { eventObject, shortened } from "./event-object.ts";

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

function eventFor(about: EventObject, event: ObjectEvent, component: string, nowMs: number) {
  const { apiVersion, kind, metadata } = about;
  const { name, namespace, uid } = metadata;
  const at = new Date(nowMs).toISOString().replace(/\.\d+Z$/, "Z");
  const involved = { apiVersion, kind, name, namespace, uid };
  return eventObject({
    about: involved,
    // Where kubectl looks for Events of what is in no namespace.
    namespace: namespace ?? "default",
    news: { ...event, at },
    id: `${event.reason}/${shortened(event.message)}`,
    source: { component },
  });
}
