/**
 * The table on the host: what comes for a NodePort at any address of the host goes on to the router,
 * which chooses. Pure.
 *
 * Not at `::1`: the kernel lets no packet from there leave the host. And for IPv6 from elsewhere only
 * where the host forwards IPv6, which we do not turn on: it would cost a host its default route.
 */
import type { NftPlace } from "./place.ts";

/** Elements of the set `nodeports`. */
export function nodePortElement(protocol: string, nodePort: number): string {
  return `${protocol.toLowerCase()} . ${nodePort}`;
}

export function hostTableFor({ plan }: NftPlace): string {
  return `inet ${plan.nftTable}`;
}

/** The whole table anew, in one transaction; connections that are there are conntrack's. */
export function hostTableText(place: NftPlace, nodePorts: readonly string[]): string {
  const { plan, ipv4, nodes } = place;
  const table = hostTableFor(place);
  const link = `"${plan.hostInterface}"`;
  const elements = nodePorts.length > 0 ? `elements = { ${nodePorts.join(", ")} }` : "";
  const byNode = nodes.map(({ address, entry }) => `${address} : ${entry}`).join(", ");
  const isNodePort = "fib daddr type local meta l4proto . th dport @nodeports goto nodeport";
  return `table ${table} {}
delete table ${table}
table ${table} {
  set nodeports {
    type inet_proto . inet_service
    ${elements}
  }
  chain nodeport {
    ip6 daddr ::1 return
    meta nfproto ipv4 dnat ip to ${ipv4.router}
    ${byNode && `dnat ip6 to ip6 daddr map { ${byNode} }`}
    meta nfproto ipv6 dnat ip6 to ${plan.routerLink}
  }
  chain prerouting {
    type nat hook prerouting priority dstnat
    ${isNodePort}
  }
  chain output {
    type nat hook output priority -100
    ${isNodePort}
  }
  # The router knows no way back to a loopback address, nor to IPv6 beyond its own network, and a
  # Machine that called the host must hear from the host.
  chain postrouting {
    type nat hook postrouting priority srcnat
    oifname ${link} ct status dnat ip6 saddr != ${plan.prefix} snat ip6 to ${plan.hostLink}
    oifname ${link} ct status dnat ip saddr 127.0.0.0/8 snat ip to ${ipv4.host}
    iifname ${link} oifname ${link} ct status dnat meta nfproto ipv4 snat ip to ${ipv4.host}
  }
  # The link may carry answers to loopback addresses, and nothing else that is meant for them.
  chain guard {
    type filter hook prerouting priority raw
    iifname ${link} ip daddr 127.0.0.0/8 drop
  }
}
`;
}
