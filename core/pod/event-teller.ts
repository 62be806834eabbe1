import { type Outcome, runController } from "../controller/controller.ts";
import { type WorkQueue, workQueue } from "../controller/work-queue.ts";
import { FksError } from "../errors.ts";
import type { Pod } from "../kube/pod.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { PodEvent, PodEvents } from "../ports/pods.ts";
import { keyFor } from "./identity.ts";

/** Events one Pod may have waiting; the oldest go first. */
const PENDING_MAX = 200;
const WORKERS = 4;
/** Events are held while Pods move: told in between they would cost each Pod of a burst its time. */
const HOLD_MS = 200;
/** …but never longer than this. */
const HOLD_MAX_MS = 10_000;

/** Tells the API server about Pods, behind the statuses: an Event never delays one. */
export interface EventTeller {
  tell(pod: Pod, event: PodEvent): void;
  /** Tells until `signal` aborts. */
  run(signal: AbortSignal): Promise<void>;
}

interface EventTellerDeps {
  readonly events: PodEvents;
  /** Whether Pods are being worked on right now. */
  readonly isBusy: () => boolean;
  readonly clock: Clock;
  readonly log: Log;
}

interface Pending {
  pod: Pod;
  readonly events: { readonly event: PodEvent; readonly sinceMs: number }[];
}

export function eventTeller({ events, isBusy, clock, log }: EventTellerDeps): EventTeller {
  const pending = new Map<string, Pending>();
  let queue: WorkQueue | undefined;

  async function tellAll(key: string, signal: AbortSignal): Promise<Outcome> {
    for (;;) {
      const entry = pending.get(key);
      const next = entry?.events[0];
      if (entry === undefined || next === undefined) {
        pending.delete(key);
        return {};
      }
      if (isBusy() && clock.now() - next.sinceMs < HOLD_MAX_MS) return { recheckInMs: HOLD_MS };
      await tellOne(entry.pod, next.event, signal);
      entry.events.shift();
    }
  }

  /** A namespace that is being deleted takes no Events: then there is nobody to tell. */
  async function tellOne(pod: Pod, event: PodEvent, signal: AbortSignal): Promise<void> {
    try {
      await events.record(pod, event, signal);
    } catch (err) {
      const isPassing = FksError.is(err, "Unavailable") || FksError.is(err, "RateLimited");
      if (isPassing || !(err instanceof FksError)) throw err;
      log.debug("event not taken", { pod: keyFor(pod), reason: event.reason, err });
    }
  }

  return {
    tell(pod, event) {
      const key = keyFor(pod);
      const entry = pending.get(key) ?? { pod, events: [] };
      if (entry.events.some((other) => other.event.id === event.id)) return;
      entry.pod = pod;
      entry.events.push({ event, sinceMs: clock.now() });
      if (entry.events.length > PENDING_MAX) entry.events.shift();
      pending.set(key, entry);
      queue?.add(key);
    },
    async run(signal) {
      queue = workQueue(clock, signal);
      for (const key of pending.keys()) queue.add(key);
      await runController({ queue, reconcile: tellAll, clock, log, workers: WORKERS }, signal);
    },
  };
}
