/**
 * The table in the router's namespace, its elements left out. Pure.
 *
 * A connection's first packet is looked up by address, protocol and port in a verdict map, which
 * sends it to a chain that all groups of as many endpoints share; that takes one by chance. What
 * changes with Services is elements of maps alone, but for ClientIP affinity. All of it is conntrack's
 * NAT: a connection stays with its endpoint whatever becomes of the tables.
 */
import { ANYWHERE_MARK, type NftPlace, nodePortAddressesOf, TURNING_MARK } from "./place.ts";

export const TABLE = "inet services";

/** Keys: mark of the group, what is asked for. Values of `*_targets` have the endpoint's number in the mark, too. */
const MAPS = {
  vips: "type mark . ipv6_addr . inet_proto . inet_service : verdict",
  local_vips: "type mark . ipv6_addr . inet_proto . inet_service : verdict",
  vip_targets: "type mark . ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service",
  nodeports: "type mark . inet_proto . inet_service : verdict",
  local_nodeports: "type mark . inet_proto . inet_service : verdict",
  nodeport_targets: "type mark . inet_proto . inet_service : ipv6_addr . inet_service",
  nodeports4: "type mark . inet_proto . inet_service : verdict",
  nodeport4_targets: "type mark . inet_proto . inet_service : ipv4_addr . inet_service",
  sources: "type ipv6_addr : mark",
} as const;

/** Makes what is missing of the table and empties the rest, in a transaction with what follows. */
export function routerTableText(place: NftPlace): string {
  const chains = Object.entries(chainsFor(place));
  const maps = Object.entries(MAPS);
  return [
    `add table ${TABLE}`,
    ...maps.flatMap(([name, type]) => [
      `add map ${TABLE} ${name} { ${type}; }`,
      `flush map ${TABLE} ${name}`,
    ]),
    ...chains.flatMap(([name, { hook = "" }]) => [
      `add chain ${TABLE} ${name}${hook && ` { ${hook}; }`}`,
      `flush chain ${TABLE} ${name}`,
    ]),
    ...chains.flatMap(([name, { rules }]) =>
      rules.map((rule) => `add rule ${TABLE} ${name} ${rule}`),
    ),
    "",
  ].join("\n");
}

interface Chain {
  readonly hook?: string;
  readonly rules: readonly string[];
}

const DESTINATION = "meta mark . ip6 daddr . meta l4proto . th dport";
const PORT = "meta mark . meta l4proto . th dport";

function chainsFor(place: NftPlace): Readonly<Record<string, Chain>> {
  const { plan, ipv4, nodes } = place;
  const { routerLink } = plan;
  const own = [routerLink, ...nodes.map(({ entry }) => entry)];
  const nodeMarks = nodes.flatMap(({ address, entry, mark }) => [
    `${address} : ${mark}`,
    `${entry} : ${mark}`,
  ]);
  return {
    refuse: { rules: ["meta l4proto tcp reject with tcp reset", "reject"] },
    // Who asks decides which Node's endpoints answer.
    vip_local: {
      rules: [
        `meta mark set ${ANYWHERE_MARK}`,
        "meta mark set ip6 saddr map @sources",
        `${DESTINATION} vmap @local_vips`,
        "drop",
      ],
    },
    // Which Node is asked decides.
    nodeport_local: {
      rules: [
        `meta mark set ${ANYWHERE_MARK}`,
        ...(nodes.length > 0 ? [`meta mark set ip6 daddr map { ${nodeMarks.join(", ")} }`] : []),
        `${PORT} vmap @local_nodeports`,
        "drop",
      ],
    },
    prerouting: {
      hook: "type nat hook prerouting priority dstnat",
      rules: [
        `${DESTINATION} vmap @vips`,
        `ip6 daddr { ${nodePortAddressesOf(place).join(", ")} } ${PORT} vmap @nodeports`,
        `ip daddr ${ipv4.router} ${PORT} vmap @nodeports4`,
      ],
    },
    // Whatever has found no endpoint by now: told at once, and never a connection that conntrack keeps.
    unanswered: {
      hook: "type filter hook prerouting priority dstnat + 10",
      rules: [
        `ip6 daddr ${plan.serviceRange} goto refuse`,
        `ip6 daddr { ${own.join(", ")} } meta l4proto { tcp, udp, sctp } goto refuse`,
        `ip daddr ${ipv4.router} meta l4proto { tcp, udp, sctp } goto refuse`,
      ],
    },
    // Answers must come back this way where a packet leaves by the link it came by: who calls itself,
    // and the host that calls the host.
    turning: {
      hook: "type filter hook prerouting priority dstnat + 10",
      rules: [
        `ct state new ct status dnat fib daddr . iif oif exists meta mark set ${TURNING_MARK}`,
      ],
    },
    postrouting: {
      hook: "type nat hook postrouting priority srcnat",
      rules: [
        `meta mark ${TURNING_MARK} meta nfproto ipv6 snat ip6 to ${routerLink}`,
        `meta mark ${TURNING_MARK} meta nfproto ipv4 snat ip to ${ipv4.router}`,
      ],
    },
  };
}
