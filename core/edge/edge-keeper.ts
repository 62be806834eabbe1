import { aborted } from "../aborted.ts";
import { FksError } from "../errors.ts";
import type { Service } from "../kube/service.ts";
import { type Clock, sleep } from "../ports/clock.ts";
import type { EdgeListeners, LoadBalancerStatuses } from "../ports/edge.ts";
import type { Log } from "../ports/log.ts";
import type { ObjectEvents } from "../ports/object-events.ts";
import { type EdgeService, edgePlanFor } from "./edge-plan.ts";

const TOGETHER_MS = 50;
/** A port that somebody has may be free later. */
const AGAIN_MS = 10_000;

interface EdgeKeeperOptions {
  readonly services: () => readonly Service[];
  readonly isSynced: () => boolean;
  readonly listeners: EdgeListeners;
  /** The edge's own. */
  readonly addresses: readonly string[];
  readonly statuses: LoadBalancerStatuses;
  readonly events: ObjectEvents;
  readonly clock: Clock;
  readonly log: Log;
}

export interface EdgeKeeper {
  /** Some Service may have changed. */
  touch(): void;
  /** Publishes Services until `signal` aborts. */
  run(signal: AbortSignal): Promise<void>;
}

/** Publishes every Service of type LoadBalancer, says where, and tells what it does not get. */
export function edgeKeeper(options: EdgeKeeperOptions): EdgeKeeper {
  const { services, isSynced, listeners, addresses, statuses, events, clock, log } = options;
  let touched = Promise.withResolvers<void>();

  async function publish(signal: AbortSignal): Promise<void> {
    const plan = edgePlanFor(services());
    const failures = listeners.hold(plan.listeners);
    for (const one of plan.services) {
      const problems = [
        ...one.problems,
        ...one.ports.flatMap((port) => {
          const reason = failures.get(port);
          return reason === undefined ? [] : [`port ${port} is not published: ${reason}`];
        }),
      ];
      for (const message of problems) await tell(one, message, signal);
      const isPublished = one.ports.some((port) => !failures.has(port));
      await say(one.service, isPublished ? addresses : [], signal);
    }
  }

  function tell({ service }: EdgeService, message: string, signal: AbortSignal): Promise<void> {
    const about = { apiVersion: "v1", kind: "Service", metadata: service.metadata };
    return events.tell(about, { type: "Warning", reason: "NotPublished", message }, signal);
  }

  async function say(
    service: Service,
    wanted: readonly string[],
    signal: AbortSignal,
  ): Promise<void> {
    const said = service.status.loadBalancer.ingress.map(({ ip = "" }) => ip);
    if (said.join() === wanted.join()) return;
    try {
      await statuses.write(service, wanted, signal);
    } catch (err) {
      if (!(err instanceof FksError) || signal.aborted) throw err;
      // The next look says it again.
      log.warn("status of a LoadBalancer not written", { service: service.metadata.name, err });
    }
  }

  return {
    touch: () => touched.resolve(),
    async run(signal) {
      while (!signal.aborted) {
        touched = Promise.withResolvers<void>();
        if (isSynced()) await publish(signal);
        const again = sleep(clock, isSynced() ? AGAIN_MS : TOGETHER_MS, signal).catch(() => {});
        await Promise.race([touched.promise, again, aborted(signal)]);
        await sleep(clock, TOGETHER_MS, signal).catch(() => {});
      }
    },
  };
}
