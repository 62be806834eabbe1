/** What a route is in the tables. Pure. */
import { machineIpv4Of } from "#core/fly/network.ts";
import type { TrafficPolicy } from "#core/kube/service.ts";
import type { Route, Target } from "#core/service/route.ts";
import {
  affinityChainFor,
  type Chain,
  type Element,
  type Group,
  type Side,
  sharedChainFor,
  targetElements,
} from "./group.ts";
import { nodePortElement } from "./host-text.ts";
import { ANYWHERE_MARK, CLUSTER_MARK, type NftPlace } from "./place.ts";

/** What one route needs. */
export interface Pieces {
  readonly chains: readonly Chain[];
  readonly elements: readonly Element[];
  /** Of the host's set, whether somebody answers or not. */
  readonly nodePorts: readonly string[];
}

export function piecesFor(route: Route, place: NftPlace): Pieces {
  const parts = sidesOf(route).map(({ side, policy }) => partFor(route, side, policy, place));
  return {
    chains: parts.flatMap(({ chains }) => chains),
    elements: parts.flatMap(({ elements }) => elements),
    nodePorts: nodePortsOf(route),
  };
}

/** What the host's set holds of a route. */
export function nodePortsOf({ protocol, nodePort }: Route): readonly string[] {
  return nodePort === 0 ? [] : [nodePortElement(protocol, nodePort)];
}

/** A Machine that asks for a Service whose policy is Local must be known with its Node. */
export function sourceElement(
  { address, node }: { readonly address: string; readonly node: string },
  { nodes }: NftPlace,
): Element | undefined {
  const mark = nodes.find(({ name }) => name === node)?.mark;
  return mark === undefined ? undefined : { holder: "sources", key: address, value: String(mark) };
}

interface Asked {
  readonly side: Side;
  readonly policy: TrafficPolicy;
}

function sidesOf(route: Route): readonly Asked[] {
  const protocol = route.protocol.toLowerCase();
  const vip = `${route.clusterIP} . ${protocol} . ${route.port}`;
  const sides: Asked[] = [{ side: { chain: "vip", key: vip, protocol }, policy: route.internal }];
  if (route.nodePort === 0) return sides;
  const key = nodePortElement(route.protocol, route.nodePort);
  sides.push({ side: { chain: "nodeport", key, protocol }, policy: route.external });
  sides.push({ side: { chain: "nodeport4", key, protocol }, policy: route.external });
  return sides;
}

const VERDICTS = { vip: "vips", nodeport: "nodeports", nodeport4: "nodeports4" } as const;
/** The kernel wants no map that leads to a chain which looks into that map. */
const LOCAL_VERDICTS = { ...VERDICTS, vip: "local_vips", nodeport: "local_nodeports" } as const;
const LOCAL_CHAINS = { vip: "vip_local", nodeport: "nodeport_local" } as const;

function partFor(
  route: Route,
  side: Side,
  policy: TrafficPolicy,
  place: NftPlace,
): Omit<Pieces, "nodePorts"> {
  // Nobody at all: no element, so that the caller is refused.
  if (route.targets.length === 0) return { chains: [], elements: [] };
  const verdict = (mark: number, words: string): Element => ({
    holder: (mark === CLUSTER_MARK ? VERDICTS : LOCAL_VERDICTS)[side.chain],
    key: `${mark} . ${side.key}`,
    value: words,
  });

  const groups: Group[] = [];
  const extra: Element[] = [];
  if (policy === "Cluster") groups.push({ side, mark: CLUSTER_MARK, targets: route.targets });
  else if (side.chain === "nodeport4") {
    // By IPv4 no Node is meant more than another.
    groups.push({ side, mark: CLUSTER_MARK, targets: route.anywhere });
    if (route.anywhere.length === 0) extra.push(verdict(CLUSTER_MARK, "drop"));
  } else {
    extra.push(verdict(CLUSTER_MARK, `goto ${LOCAL_CHAINS[side.chain]}`));
    groups.push({ side, mark: ANYWHERE_MARK, targets: route.anywhere });
    for (const { node, targets } of route.local) {
      const mark = place.nodes.find(({ name }) => name === node)?.mark;
      if (mark !== undefined) groups.push({ side, mark, targets });
    }
  }

  const filled = groups
    .map((group) => (side.chain === "nodeport4" ? inIpv4(group, place) : group))
    .filter(({ targets }) => targets.length > 0);
  const chains: Chain[] = [];
  const elements: Element[] = [...extra];
  for (const group of filled) {
    const { affinitySeconds: seconds } = route;
    const chain = seconds === undefined ? sharedChainFor(group) : affinityChainFor(group, seconds);
    chains.push(chain);
    elements.push(verdict(group.mark, `goto ${chain.name}`));
    if (seconds === undefined) elements.push(...targetElements(group));
  }
  return { chains, elements };
}

/** Machines have a private IPv4 each; what else an endpoint may be is not reached by IPv4. */
function inIpv4(group: Group, { plan }: NftPlace): Group {
  const targets = group.targets.flatMap(({ address, port }): readonly Target[] => {
    const ipv4 = machineIpv4Of(plan.id, address);
    return ipv4 === undefined ? [] : [{ address: ipv4, port }];
  });
  return { ...group, targets };
}
