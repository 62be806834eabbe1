import type { EdgeListener } from "../edge/edge-plan.ts";
import type { Service } from "../kube/service.ts";

/** Sockets of this host at which Services are published. */
export interface EdgeListeners {
  /**
   * Listens at exactly these ports of all of the edge's addresses; connections that are there go on.
   * Ports that cannot be had, with the reason.
   */
  hold(listeners: ReadonlyMap<number, EdgeListener>): ReadonlyMap<number, string>;
}

/** Where a Service of type LoadBalancer says that it is found. */
export interface LoadBalancerStatuses {
  /** Replaces what was said. A Service that is gone is a success. */
  write(service: Service, addresses: readonly string[], signal: AbortSignal): Promise<void>;
}
