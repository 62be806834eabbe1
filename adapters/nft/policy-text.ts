/** NetworkPolicies as nft objects of the router's namespace. Pure. */

import type { Direction } from "#core/kube/network-policy.ts";
import type { PortRange } from "#core/network-policy/policy-ports.ts";
import type { Allowance, PeerSet, PolicyTable } from "#core/network-policy/policy-table.ts";

/** One for all policies: each direction a base chain, so that a packet must pass both. */
export const POLICY_TABLE = "inet policies";

export interface PolicyObjects {
  /** Sets of peers by name: addresses and ranges of one family. */
  readonly sets: ReadonlyMap<string, NftSet>;
  /** Rules by chain. */
  readonly chains: ReadonlyMap<string, readonly string[]>;
  /** Verdict by address, for each of `ISOLATION_MAPS`. */
  readonly isolations: ReadonlyMap<string, ReadonlyMap<string, string>>;
}

export interface NftSet {
  readonly type: "ipv4_addr" | "ipv6_addr";
  readonly elements: readonly string[];
}

const FAMILIES = [
  { suffix: "6", family: "ip6", type: "ipv6_addr" },
  { suffix: "4", family: "ip", type: "ipv4_addr" },
] as const;

/** What of a packet a direction's rules look at: the isolated Pod's own address, and the peer's. */
const SIDES = {
  Ingress: { own: "daddr", peer: "saddr" },
  Egress: { own: "saddr", peer: "daddr" },
} as const;

/** Map for each direction and family. */
export const ISOLATION_MAPS: readonly { readonly name: string; readonly type: string }[] =
  Object.keys(SIDES).flatMap((direction) =>
    FAMILIES.map(({ suffix, type }) => ({ name: mapName(direction, suffix), type })),
  );

/** Half of what nft takes: a family still follows. */
const NAME_MAX = 128;
const REFUSE = "refuse";
/** Told at once: a caller need not wait for its own patience to end. */
const REFUSALS = ["meta l4proto tcp reject with tcp reset", "reject with icmpx admin-prohibited"];

/** Chains that are always there. `hostAddresses` speak for the Node, whom no policy keeps out. */
export function baseChainsFor(
  hostAddresses: readonly string[],
): readonly { readonly name: string; readonly hook?: string; readonly rules: readonly string[] }[] {
  const directions = (["Egress", "Ingress"] as const).map((direction, order) => ({
    name: direction.toLowerCase(),
    // Addresses are the Pods' own by now, whatever Service was asked for.
    hook: `type filter hook forward priority filter + ${order}`,
    rules: [
      "ct state established,related accept",
      ...(direction === "Ingress" ? [`ip6 saddr { ${hostAddresses.join(", ")} } accept`] : []),
      ...FAMILIES.map(
        ({ family, suffix }) =>
          `${family} ${SIDES[direction].own} vmap @${mapName(direction, suffix)}`,
      ),
    ],
  }));
  return [{ name: REFUSE, rules: REFUSALS }, ...directions];
}

export function policyObjectsFor({ chains, isolations }: PolicyTable): PolicyObjects {
  const sets = new Map<string, NftSet>();
  const rules = new Map<string, readonly string[]>();
  const maps = new Map(ISOLATION_MAPS.map(({ name }) => [name, new Map<string, string>()]));

  for (const { direction, address, chains: own } of isolations) {
    const way = `all_${direction.toLowerCase()}_${Bun.hash(own.join("\n")).toString(36)}`;
    const family = address.includes(":") ? "6" : "4";
    maps.get(mapName(direction, family))?.set(address, `goto ${way}`);
    if (rules.has(way)) continue;
    const jumps = own.map((name) => `jump ${nftName(name)}`);
    rules.set(way, [...jumps, `goto ${REFUSE}`]);
    for (const name of own) {
      const allowances = chains.get(name)?.allowances ?? [];
      rules.set(
        nftName(name),
        allowances.flatMap((allowance) => rulesFor(allowance, direction, sets)),
      );
    }
  }
  return { sets, chains: rules, isolations: maps };
}

/** One rule for each family and protocol; the peers' sets go into `sets`. */
function rulesFor(
  { peers, ports }: Allowance,
  direction: Direction,
  sets: Map<string, NftSet>,
): readonly string[] {
  const { peer } = SIDES[direction];
  const from =
    peers === undefined
      ? [""]
      : FAMILIES.flatMap(({ suffix, family, type }) => {
          const elements = ofFamily(peers.members, suffix);
          if (elements.length === 0) return [];
          const name = `${nftName(peers.name)}_${suffix}`;
          sets.set(name, { type, elements });
          return [`${family} ${peer} @${name} ${exceptText(peers, { family, suffix, peer })}`];
        });
  const to = ports === undefined ? [""] : portTexts(ports);
  return from.flatMap((peersText) => to.map((portText) => `${peersText}${portText}accept`));
}

function exceptText(
  { except }: PeerSet,
  { family, suffix, peer }: { family: string; suffix: string; peer: string },
): string {
  const elements = ofFamily(except, suffix);
  return elements.length === 0 ? "" : `${family} ${peer} != { ${elements.join(", ")} } `;
}

/** The rule's words for each protocol among `ports`. */
function portTexts(ports: readonly PortRange[]): readonly string[] {
  return [...Map.groupBy(ports, ({ protocol }) => protocol.toLowerCase())].map(
    ([protocol, ranges]) =>
      `${protocol} dport { ${merged(ranges)
        .map(({ from, to }) => (from === to ? `${from}` : `${from}-${to}`))
        .join(", ")} } `,
  );
}

/** Ranges that overlap as one: nft takes no others. */
function merged(ranges: readonly PortRange[]): readonly PortRange[] {
  const whole: PortRange[] = [];
  for (const range of ranges.toSorted((a, b) => a.from - b.from)) {
    const last = whole.at(-1);
    if (last === undefined || range.from > last.to) whole.push(range);
    else whole[whole.length - 1] = { ...last, to: Math.max(last.to, range.to) };
  }
  return whole;
}

function ofFamily(members: readonly string[], suffix: string): readonly string[] {
  return members.filter((member) => member.includes(":") === (suffix === "6"));
}

function mapName(direction: string, suffix: string): string {
  return `${direction.toLowerCase()}_isolated_${suffix}`;
}

/** Letters first, nothing that nft's grammar uses, and no longer than nft takes, whatever is in it. */
function nftName(name: string): string {
  const safe = `policy_${name.replaceAll(/[^A-Za-z0-9-]/g, "_")}`;
  if (safe.length <= NAME_MAX) return safe;
  return `${safe.slice(0, NAME_MAX - 14)}_${Bun.hash(name).toString(36)}`;
}
