import type { Service } from "../kube/service.ts";
import { edgeConfigFor } from "./edge-config.ts";
import type { EdgePort } from "./settings.ts";

/** The class of a Service that the edge is for, beside those without any. */
const EDGE_CLASS = "fly.io/edge";

/** One port of the edge: the Service behind it has it alone. */
export interface EdgeListener {
  readonly port: number;
  /** `namespace/name`. */
  readonly service: string;
  readonly portName: string;
  /** Told to the endpoint before the client's own bytes. */
  readonly proxyProtocol?: "v1" | "v2";
  /** CIDRs of clients that may come; empty: all. */
  readonly sourceRanges: readonly string[];
}

/** What the edge is to do for one Service. */
export interface EdgeService {
  readonly service: Service;
  /** Ports that it has. */
  readonly ports: readonly number[];
  /** A sentence for each thing it asked for and does not get. */
  readonly problems: readonly string[];
}

export interface EdgePlan {
  /** By port. */
  readonly listeners: ReadonlyMap<number, EdgeListener>;
  readonly services: readonly EdgeService[];
}

/**
 * Who has which port of the edge: of two Services that want the same one the older has it. Pure.
 */
export function edgePlanFor(services: readonly Service[]): EdgePlan {
  const listeners = new Map<number, EdgeListener>();
  const planned = services
    .filter(isForEdge)
    .toSorted(byAge)
    .map((service): EdgeService => {
      const { config, problems } = edgeConfigFor(service);
      const own: number[] = [];
      const refusals: string[] = [];
      for (const port of config.ports) {
        const reason = refusalOf(port) ?? takenBy(listeners.get(port.port));
        if (reason !== undefined) {
          refusals.push(`port ${port.port} is not published: ${reason}`);
          continue;
        }
        own.push(port.port);
        listeners.set(port.port, listenerFor(service, port));
      }
      return { service, ports: own, problems: [...problems, ...refusals] };
    });
  return { listeners, services: planned };
}

function isForEdge({ metadata, spec }: Service): boolean {
  const { type, loadBalancerClass = EDGE_CLASS } = spec;
  return (
    type === "LoadBalancer" &&
    loadBalancerClass === EDGE_CLASS &&
    metadata.deletionTimestamp === undefined
  );
}

function byAge({ metadata: a }: Service, { metadata: b }: Service): number {
  const [first, second] = [a, b].map((it) => `${it.creationTimestamp ?? ""} ${it.uid}`);
  return (first ?? "") < (second ?? "") ? -1 : 1;
}

function refusalOf({ protocol, handlers }: EdgePort): string | undefined {
  if (protocol !== "TCP") return `the edge of this platform has no ${protocol}; use its NodePort`;
  const unserved = handlers.filter((handler) => handler !== "proxy_proto");
  if (unserved.length === 0) return undefined;
  return `handlers ${unserved.join(" and ")} are not served by this platform's edge yet`;
}

function takenBy(listener: EdgeListener | undefined): string | undefined {
  return listener && `Service ${listener.service} has it`;
}

function listenerFor({ metadata, spec }: Service, port: EdgePort): EdgeListener {
  const isTold = port.handlers.includes("proxy_proto");
  return {
    port: port.port,
    service: `${metadata.namespace}/${metadata.name}`,
    portName: port.name,
    ...(isTold && { proxyProtocol: port.proxyProtocol }),
    sourceRanges: spec.loadBalancerSourceRanges,
  };
}
