import {
  ipv4RangeFor,
  type NetworkPlan,
  nodeAddressFor,
  nodePortAddressFor,
} from "#core/fly/network.ts";

/** What the tables must know of the network they serve. */
export interface NftPlace {
  readonly plan: NetworkPlan;
  readonly ipv4: { readonly cidr: string; readonly router: string; readonly host: string };
  readonly nodes: readonly NodePlace[];
}

export interface NodePlace {
  readonly name: string;
  /** The Node's InternalIP. */
  readonly address: string;
  /** Where the router takes what the host passes on of connections to that. */
  readonly entry: string;
  readonly mark: number;
}

/** The mark of connections that may go anywhere in the cluster. */
export const CLUSTER_MARK = 0;
/** The mark of callers that are on no Node, or on every one: those from outside, and the host. */
export const ANYWHERE_MARK = 0x7fff_0000;
/** The mark of connections that leave by the link they came by; no group and no endpoint has it. */
export const TURNING_MARK = 0xffff_ffff;

/** `nodes` in the order of their addresses. */
export function nftPlaceFor(plan: NetworkPlan, nodes: readonly string[]): NftPlace {
  return {
    plan,
    ipv4: ipv4RangeFor(plan.id),
    nodes: nodes.map((name, index) => ({
      name,
      address: nodeAddressFor(plan.id, index),
      entry: nodePortAddressFor(plan.id, index),
      // The lower half counts endpoints; 0 and the last are taken.
      mark: (index + 1) * 0x1_0000,
    })),
  };
}

/** Addresses that the router itself answers for where a NodePort is meant. */
export function nodePortAddressesOf({ plan, nodes }: NftPlace): readonly string[] {
  const { routerLink, hostLink, apiServer } = plan;
  return [
    routerLink,
    hostLink,
    apiServer,
    ...nodes.flatMap(({ address, entry }) => [address, entry]),
  ];
}
