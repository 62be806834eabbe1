import { type LabelSelector, selects } from "../kube/label-selector.ts";
import type { Direction, NetworkPolicy, PolicyPeer, PolicyRule } from "../kube/network-policy.ts";
import type { NamespaceLabels, PolicyPod } from "./policy-pod.ts";
import { type PortRange, portsOf, variantsOf } from "./policy-ports.ts";

/** Whom a rule lets through. */
export interface Allowance {
  /** Addresses and ranges; undefined: everybody. */
  readonly peers?: PeerSet | undefined;
  /** Undefined: every port of every protocol. */
  readonly ports?: readonly PortRange[] | undefined;
}

/** Its name stays the same while its members change. */
export interface PeerSet {
  readonly name: string;
  /** Addresses and CIDRs, each once, in order. */
  readonly members: readonly string[];
  /** Taken out of `members` again. */
  readonly except: readonly string[];
}

/** What one policy allows in one direction. */
export interface Chain {
  readonly name: string;
  readonly allowances: readonly Allowance[];
}

/** What holds for one address: traffic that none of the chains allows is refused. */
export interface Isolation {
  readonly direction: Direction;
  readonly address: string;
  /** Names, in order. */
  readonly chains: readonly string[];
}

/** Everything that NetworkPolicies say at one moment. Addresses that are not in it are open. */
export interface PolicyTable {
  readonly chains: ReadonlyMap<string, Chain>;
  readonly isolations: readonly Isolation[];
}

interface Cluster {
  readonly policies: readonly NetworkPolicy[];
  readonly pods: readonly PolicyPod[];
  readonly namespaces: NamespaceLabels;
}

const DIRECTIONS = ["Ingress", "Egress"] as const;

/**
 * What every policy of the cluster means for every Pod. Pure.
 *
 * Policies add up: what one of them allows is allowed. Source: k8s.io/api/networking/v1.
 */
export function policyTableFor({ policies, pods, namespaces }: Cluster): PolicyTable {
  const chains = new Map<string, Chain>();
  const isolations = new Map<string, Isolation>();
  const byNamespace = Map.groupBy(pods, ({ namespace }) => namespace);

  const isolate = (direction: Direction, pod: PolicyPod, chain: string): void => {
    for (const address of pod.addresses) {
      const key = `${direction} ${address}`;
      const known = isolations.get(key)?.chains ?? [];
      isolations.set(key, { direction, address, chains: [...known, chain] });
    }
  };

  for (const policy of policies) {
    const { namespace } = policy.metadata;
    const selected = (byNamespace.get(namespace) ?? []).filter(({ labels }) =>
      selects(policy.spec.podSelector, labels),
    );
    if (selected.length === 0) continue;
    const peersOf = (peer: PolicyPeer): readonly PolicyPod[] =>
      peerPods(peer, namespace, { byNamespace, namespaces });
    for (const direction of DIRECTIONS) {
      if (!policy.spec.policyTypes.includes(direction)) continue;
      for (const { name, allowances, members } of chainsOf(policy, direction, selected, peersOf)) {
        chains.set(name, { name, allowances });
        for (const pod of members) isolate(direction, pod, name);
      }
    }
  }
  return { chains, isolations: [...isolations.values()] };
}

interface PolicyChain extends Chain {
  /** The selected Pods it is for. */
  readonly members: readonly PolicyPod[];
}

/**
 * One chain for all selected Pods, except where a port has a name: on the way in, that is a port of
 * the selected Pod, and Pods that mean different numbers by it get different chains.
 */
function chainsOf(
  { metadata, spec }: NetworkPolicy,
  direction: Direction,
  selected: readonly PolicyPod[],
  peersOf: (peer: PolicyPeer) => readonly PolicyPod[],
): readonly PolicyChain[] {
  if (direction === "Egress") {
    const name = `${metadata.uid}/egress`;
    const allowances = spec.egress.flatMap((rule, index) =>
      egressAllowances(rule, `${name}/${index}`, peersOf),
    );
    return [{ name, allowances, members: selected }];
  }
  return variantsOf(
    selected,
    spec.ingress.flatMap(({ ports }) => ports),
  ).map(({ key, members, sample }) => {
    const name = key === "" ? `${metadata.uid}/ingress` : `${metadata.uid}/ingress/${key}`;
    const allowances = spec.ingress.flatMap((rule, index) => {
      const ports = portsOf(rule.ports, sample);
      if (ports?.length === 0) return [];
      const everyone = `${metadata.uid}/ingress/${index}`;
      return peerSets(rule, everyone, peersOf).map((peers) => ({ peers, ports }));
    });
    return { name, allowances, members };
  });
}

/** On the way out a port's name is the peer's, so that each number has its own peers. */
function egressAllowances(
  rule: PolicyRule,
  name: string,
  peersOf: (peer: PolicyPeer) => readonly PolicyPod[],
): readonly Allowance[] {
  const named = rule.ports.filter(({ port }) => typeof port === "string");
  const numbered = rule.ports.filter(({ port }) => typeof port !== "string");
  const hasNumbers = rule.ports.length === 0 || numbered.length > 0;
  const byNumber = hasNumbers
    ? peerSets(rule, name, peersOf).map((peers) => ({ peers, ports: portsOf(numbered) }))
    : [];
  // A range of addresses has no ports with names.
  const pods =
    rule.peers.length === 0 ? peersOf({ namespaceSelector: EVERY }) : podsOf(rule, peersOf);
  const byName = variantsOf(pods, named).flatMap(({ key, members, sample }): Allowance[] => {
    const variant = portsOf(named, sample) ?? [];
    if (variant.length === 0) return [];
    const set = { name: `${name}/${key}`, members: addressesOf(members), except: [] };
    return [{ peers: set, ports: variant }];
  });
  return [...byNumber, ...byName];
}

const EVERY: LabelSelector = { matchLabels: {}, matchExpressions: [] };

/** One set for the Pods of a rule and one for each range with exceptions; `undefined`: everybody. */
function peerSets(
  rule: PolicyRule,
  name: string,
  peersOf: (peer: PolicyPeer) => readonly PolicyPod[],
): readonly (PeerSet | undefined)[] {
  if (rule.peers.length === 0) return [undefined];
  const blocks = rule.peers.flatMap(({ ipBlock }) => (ipBlock === undefined ? [] : [ipBlock]));
  const plain = blocks.filter(({ except }) => except.length === 0).map(({ cidr }) => cidr);
  const members = [...new Set([...addressesOf(podsOf(rule, peersOf)), ...plain])];
  return [
    { name, members, except: [] },
    ...blocks
      .filter(({ except }) => except.length > 0)
      .map(({ cidr, except }, at) => ({ name: `${name}/but/${at}`, members: [cidr], except })),
  ];
}

function podsOf(
  rule: PolicyRule,
  peersOf: (peer: PolicyPeer) => readonly PolicyPod[],
): readonly PolicyPod[] {
  return rule.peers.filter(({ ipBlock }) => ipBlock === undefined).flatMap(peersOf);
}

function addressesOf(pods: readonly PolicyPod[]): readonly string[] {
  return [...new Set(pods.flatMap(({ addresses }) => addresses))].toSorted();
}

interface Lookup {
  readonly byNamespace: ReadonlyMap<string, readonly PolicyPod[]>;
  readonly namespaces: NamespaceLabels;
}

function peerPods(
  { podSelector = EVERY, namespaceSelector }: PolicyPeer,
  namespace: string,
  { byNamespace, namespaces }: Lookup,
): readonly PolicyPod[] {
  const where =
    namespaceSelector === undefined
      ? [namespace]
      : [...namespaces]
          .filter(([, labels]) => selects(namespaceSelector, labels))
          .map(([name]) => name);
  return where
    .flatMap((name) => byNamespace.get(name) ?? [])
    .filter(({ labels }) => selects(podSelector, labels));
}
