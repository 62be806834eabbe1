/** What nft is told about the host. Pure. */
import { ipv4RangeFor, type NetworkPlan } from "#core/fly/network.ts";

/**
 * IPv4 egress: packets of our own range that leave by another interface get the host's address. The
 * table is this instance's own, and the text may be loaded again and again.
 */
export function egressRulesFor(plan: NetworkPlan): string {
  const { cidr } = ipv4RangeFor(plan.id);
  return `table ip ${plan.nftTable} {}
delete table ip ${plan.nftTable}
table ip ${plan.nftTable} {
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr ${cidr} oifname != "${plan.hostInterface}" masquerade
  }
}
`;
}

/** A chain of somebody else that drops what is forwarded, so that an accept of ours cannot help. */
export type DroppingChain = "DOCKER-USER" | "FORWARD";

/**
 * Where our accept rules must go, from `nft list table ip filter`: the chain Docker leaves to its
 * users, else a FORWARD chain that drops. Undefined: nobody drops, or our rules are there already.
 */
export function droppingChainFor(
  plan: NetworkPlan,
  filterTable: string,
): DroppingChain | undefined {
  if (filterTable.includes(`"${plan.hostInterface}"`)) return undefined;
  if (/^\s*chain DOCKER-USER \{/m.test(filterTable)) return "DOCKER-USER";
  return /hook forward [^;]*; policy drop;/.test(filterTable) ? "FORWARD" : undefined;
}

export function acceptRulesFor(plan: NetworkPlan, chain: DroppingChain): string {
  return ["iifname", "oifname"]
    .map(
      (side) => `insert rule ip filter ${chain} ${side} "${plan.hostInterface}" counter accept\n`,
    )
    .join("");
}

/** Deletes our accept rules, from `nft -a list table ip filter`. */
export function withdrawRulesFor(plan: NetworkPlan, filterTable: string): string {
  let chain = "";
  const lines: string[] = [];
  for (const line of filterTable.split("\n")) {
    chain = /^\s*chain (\S+) \{/.exec(line)?.[1] ?? chain;
    const handle = /# handle (\d+)\s*$/.exec(line)?.[1];
    if (handle === undefined || !line.includes(`"${plan.hostInterface}"`)) continue;
    lines.push(`delete rule ip filter ${chain} handle ${handle}\n`);
  }
  return lines.join("");
}
