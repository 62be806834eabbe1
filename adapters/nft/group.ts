/** How the endpoints of one group are balanced: by elements of the shared maps, or by a chain of its own. Pure. */
import type { Target } from "#core/service/route.ts";
import { TABLE } from "./router-text.ts";

/** One way to ask for a group: where its endpoints and their addresses are kept. */
export interface Side {
  readonly chain: "vip" | "nodeport" | "nodeport4";
  /** What stands in keys after the mark: `fdaa::1 . tcp . 80`, `tcp . 30080`. */
  readonly key: string;
  readonly protocol: string;
}

export interface Group {
  readonly side: Side;
  readonly mark: number;
  /** At least one. */
  readonly targets: readonly Target[];
}

/** A chain and what it needs, by name; the text makes it what it should be, whatever it was. */
export interface Chain {
  readonly name: string;
  readonly text: string;
  /** One that goes away when nobody leads to it any more, with its map. */
  readonly affinity?: string;
}

const MATCH = {
  vip: {
    family: "ip6",
    key: "meta mark . ip6 daddr . meta l4proto . th dport",
    map: "vip_targets",
  },
  nodeport: { family: "ip6", key: "meta mark . meta l4proto . th dport", map: "nodeport_targets" },
  nodeport4: { family: "ip", key: "meta mark . meta l4proto . th dport", map: "nodeport4_targets" },
} as const;

/** The chain of all groups with as many endpoints and this mark: chance numbers one, a map has its address. */
export function sharedChainFor({ side, mark, targets }: Group): Chain {
  const { family, key, map } = MATCH[side.chain];
  const name = `${side.chain}_${targets.length}_${mark / 0x1_0000}`;
  const number =
    targets.length === 1 ? `${mark}` : `numgen random mod ${targets.length} offset ${mark}`;
  return {
    name,
    text: chainText(name, [`meta mark set ${number}`, `dnat ${family} to ${key} map @${map}`]),
  };
}

/** Elements of `MATCH[…].map` for a group whose chain is shared. */
export function targetElements({ side, mark, targets }: Group): readonly Element[] {
  const { map } = MATCH[side.chain];
  return targets.map((target, number) => ({
    holder: map,
    key: `${mark + number} . ${side.key}`,
    value: destination(target),
  }));
}

export interface Element {
  readonly holder: string;
  readonly key: string;
  readonly value: string;
}

/**
 * The chain of one group with ClientIP affinity. A map remembers for each client the number of its
 * endpoint, which follows from the endpoint alone; a number that is no longer here is chosen anew.
 * Every connection starts the time anew. The map outlives its chain's changes, and us.
 */
export function affinityChainFor({ side, mark, targets }: Group, seconds: number): Chain {
  const { family } = MATCH[side.chain];
  const name = `affinity_${`${side.chain}_${side.key}_${mark / 0x1_0000}`.replaceAll(/[ .]+/g, "_").replaceAll(":", "-")}`;
  const map = `${name}_${seconds}`;
  const ids = stickyNumbers(targets);
  const choose = ids.map((id, number) => `${number} : ${id}`).join(", ");
  const go = targets.map((target, at) => `${ids[at]} : ${destination(target)}`).join(", ");
  const client = `${family} saddr`;
  const dnat = `meta l4proto ${side.protocol} dnat ${family} to meta mark map { ${go} }`;
  return {
    name,
    affinity: map,
    text: [
      `add map ${TABLE} ${map} { type ${family === "ip" ? "ipv4_addr" : "ipv6_addr"} : mark; flags dynamic,timeout; timeout ${seconds}s; size ${AFFINITY_MAX_CLIENTS}; }\n`,
      chainText(name, [
        `meta mark set ${client} map @${map}`,
        `meta mark >= ${STICKY} update @${map} { ${client} : meta mark }`,
        `meta mark >= ${STICKY} ${dnat}`,
        `meta mark set numgen random mod ${targets.length} map { ${choose} }`,
        // An update keeps the number that is there.
        `delete @${map} { ${client} : meta mark }`,
        `update @${map} { ${client} : meta mark }`,
        dnat,
      ]),
    ].join(""),
  };
}

/** Clients that are remembered at a time for one port of a Service; more are balanced without memory. */
const AFFINITY_MAX_CLIENTS = 65_536;
/** Numbers that stand for an endpoint have the highest bit; marks of groups never have it with others. */
const STICKY = 0x8000_0000;

function stickyNumbers(targets: readonly Target[]): readonly number[] {
  const taken = new Set<number>();
  return targets.map((target) => {
    let number = STICKY + (hash(destination(target)) % 0x7fff_0000);
    while (taken.has(number)) number += 1;
    taken.add(number);
    return number;
  });
}

/** FNV-1a of 32 bits. */
function hash(text: string): number {
  let value = 0x811c_9dc5;
  for (const char of text) value = Math.imul(value ^ (char.codePointAt(0) ?? 0), 0x0100_0193) >>> 0;
  return value;
}

function destination({ address, port }: Target): string {
  return `${address} . ${port}`;
}

function chainText(name: string, rules: readonly string[]): string {
  return [
    `add chain ${TABLE} ${name}`,
    `flush chain ${TABLE} ${name}`,
    ...rules.map((rule) => `add rule ${TABLE} ${name} ${rule}`),
    "",
  ].join("\n");
}
