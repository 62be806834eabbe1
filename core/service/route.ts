import { canonicalIp } from "../fly/ip.ts";
import type { Endpoint, EndpointSlice } from "../kube/endpoint-slice.ts";
import type { Protocol, Service, ServicePort, TrafficPolicy } from "../kube/service.ts";

/** One port of one Service: where it is asked for, and who answers. */
export interface Route {
  /** `namespace/name` of the Service. */
  readonly service: string;
  /** Name of the port, "" where the only port has none. */
  readonly portName: string;
  readonly protocol: Protocol;
  readonly clusterIP: string;
  readonly port: number;
  /** 0: none. */
  readonly nodePort: number;
  /** How long a client stays with its endpoint after its last connection; undefined: not at all. */
  readonly affinitySeconds?: number;
  /** How far calls of the ClusterIP and of the NodePort may go. */
  readonly internal: TrafficPolicy;
  readonly external: TrafficPolicy;
  /** Who answers for the whole cluster. Nobody: the caller is told so at once. */
  readonly targets: readonly Target[];
  /** Who answers on each Node, sorted; Nodes without anybody are left out. Empty unless a policy is Local. */
  readonly local: readonly LocalTargets[];
  /** All of `local`: who answers a caller that is on no Node, or on every one, as the host is. */
  readonly anywhere: readonly Target[];
}

/** Where a connection goes. */
export interface Target {
  /** IPv6, in its one canonical form. */
  readonly address: string;
  readonly port: number;
}

export interface LocalTargets {
  readonly node: string;
  readonly targets: readonly Target[];
}

/**
 * The routes of one Service from its own EndpointSlices, in the order of its ports. Pure.
 *
 * None for a Service without an IPv6 ClusterIP: headless, ExternalName, or not given one yet. Who is
 * chosen follows kube-proxy: ready endpoints, and where there is none those that still serve while
 * they are terminated; for policy Local the same on each Node.
 * Source: kubernetes/pkg/proxy, `CategorizeEndpoints`.
 */
export function routesFor(service: Service, slices: readonly EndpointSlice[]): readonly Route[] {
  const { spec } = service;
  const clusterIP = spec.type === "ExternalName" ? undefined : ipv6(spec.clusterIP);
  if (clusterIP === undefined) return [];
  return spec.ports.map((port) => routeFor({ service, clusterIP, port, slices }));
}

interface RouteSource {
  readonly service: Service;
  readonly clusterIP: string;
  readonly port: ServicePort;
  readonly slices: readonly EndpointSlice[];
}

function routeFor({ service, clusterIP, port, slices }: RouteSource): Route {
  const { metadata, spec } = service;
  const candidates = candidatesFor(port, slices);
  const isLocal = spec.internalTrafficPolicy === "Local" || spec.externalTrafficPolicy === "Local";
  const local = isLocal ? localTargets(candidates) : [];
  return {
    service: `${metadata.namespace}/${metadata.name}`,
    portName: port.name,
    protocol: port.protocol,
    clusterIP,
    port: port.port,
    nodePort: port.nodePort,
    ...(spec.sessionAffinity === "ClientIP" && {
      affinitySeconds: spec.sessionAffinityTimeoutSeconds,
    }),
    internal: spec.internalTrafficPolicy,
    external: spec.externalTrafficPolicy,
    targets: chosen(candidates),
    local,
    anywhere: local.flatMap(({ targets }) => targets).toSorted(byAddress),
  };
}

interface Candidate extends Target {
  readonly endpoint: Endpoint;
}

/** One for every address and port: of an endpoint that moves from slice to slice the best one counts. */
function candidatesFor(port: ServicePort, slices: readonly EndpointSlice[]): readonly Candidate[] {
  const found = new Map<string, Candidate>();
  for (const { addressType, ports, endpoints } of slices) {
    if (addressType !== "IPv6") continue;
    const number = ports.find(
      ({ name, protocol }) => name === port.name && protocol === port.protocol,
    )?.port;
    if (number === undefined) continue;
    for (const endpoint of endpoints) {
      const address = ipv6(endpoint.addresses[0] ?? "");
      if (address === undefined) continue;
      const key = `${address} ${number}`;
      const known = found.get(key)?.endpoint;
      if (known === undefined || rankOf(endpoint) > rankOf(known)) {
        found.set(key, { address, port: number, endpoint });
      }
    }
  }
  return [...found.values()];
}

function localTargets(candidates: readonly Candidate[]): readonly LocalTargets[] {
  const byNode = Map.groupBy(candidates, ({ endpoint }) => endpoint.nodeName ?? "");
  byNode.delete("");
  return [...byNode]
    .map(([node, here]) => ({ node, targets: chosen(here) }))
    .filter(({ targets }) => targets.length > 0)
    .toSorted((a, b) => (a.node < b.node ? -1 : 1));
}

/** 0: may not be asked. */
function rankOf({ isReady, isServing, isTerminating }: Endpoint): number {
  if (isReady) return 2;
  return isServing && isTerminating ? 1 : 0;
}

function chosen(candidates: readonly Candidate[]): readonly Target[] {
  const best = Math.max(1, ...candidates.map(({ endpoint }) => rankOf(endpoint)));
  return candidates
    .filter(({ endpoint }) => rankOf(endpoint) === best)
    .map(({ address, port }) => ({ address, port }))
    .toSorted(byAddress);
}

function byAddress(a: Target, b: Target): number {
  if (a.address === b.address) return a.port - b.port;
  return a.address < b.address ? -1 : 1;
}

/** The canonical form of an IPv6 address; undefined for anything else. */
function ipv6(text: string): string | undefined {
  const ip = canonicalIp(text);
  return ip?.includes(":") ? ip : undefined;
}
