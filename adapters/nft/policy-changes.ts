/** What turns the policies' nft objects of before into those of now, in one transaction. Pure. */
import {
  baseChainsFor,
  ISOLATION_MAPS,
  type NftSet,
  POLICY_TABLE,
  type PolicyObjects,
} from "./policy-text.ts";

const NONE: PolicyObjects = { sets: new Map(), chains: new Map(), isolations: new Map() };

/** The whole table anew, whatever was there. */
export function wholePolicyText(now: PolicyObjects, hostAddresses: readonly string[]): string {
  return [
    `add table ${POLICY_TABLE}`,
    `delete table ${POLICY_TABLE}`,
    `add table ${POLICY_TABLE}`,
    ...ISOLATION_MAPS.map(
      ({ name, type }) => `add map ${POLICY_TABLE} ${name} { type ${type} : verdict; }`,
    ),
    ...baseChainsFor(hostAddresses).flatMap(({ name, hook, rules }) => [
      `add chain ${POLICY_TABLE} ${name}${hook === undefined ? "" : ` { ${hook}; }`}`,
      ...rules.map((rule) => `add rule ${POLICY_TABLE} ${name} ${rule}`),
    ]),
    changedPolicyText(NONE, now),
  ].join("\n");
}

/** "" when nothing changed. */
export function changedPolicyText(before: PolicyObjects, now: PolicyObjects): string {
  const newSets = changed(before.sets, now.sets, (set) => set.elements.join());
  const newChains = changed(before.chains, now.chains, (rules) => rules.join("\n"));
  const lines = [
    ...newSets.flatMap(([name, set]) => setLines(name, set)),
    ...newChains.map(([name]) => `add chain ${POLICY_TABLE} ${name}`),
    ...newChains.flatMap(([name, rules]) => [
      `flush chain ${POLICY_TABLE} ${name}`,
      ...rules.map((rule) => `add rule ${POLICY_TABLE} ${name} ${rule}`),
    ]),
    ...ISOLATION_MAPS.flatMap(({ name }) => mapLines(name, before, now)),
    // Nobody leads to these any more. All are emptied first: they may lead to each other.
    ...gone(before.chains, now.chains).map((name) => `flush chain ${POLICY_TABLE} ${name}`),
    ...gone(before.chains, now.chains).map((name) => `delete chain ${POLICY_TABLE} ${name}`),
    ...gone(before.sets, now.sets).map((name) => `delete set ${POLICY_TABLE} ${name}`),
  ];
  return lines.length === 0 ? "" : `${lines.join("\n")}\n`;
}

function setLines(name: string, { type, elements }: NftSet): readonly string[] {
  return [
    `add set ${POLICY_TABLE} ${name} { type ${type}; flags interval; auto-merge; }`,
    `flush set ${POLICY_TABLE} ${name}`,
    `add element ${POLICY_TABLE} ${name} { ${elements.join(", ")} }`,
  ];
}

function mapLines(name: string, before: PolicyObjects, now: PolicyObjects): readonly string[] {
  const was = before.isolations.get(name) ?? new Map<string, string>();
  const is = now.isolations.get(name) ?? new Map<string, string>();
  const others = [...was].filter(([address, verdict]) => is.get(address) !== verdict);
  const come = [...is].filter(([address, verdict]) => was.get(address) !== verdict);
  return [
    ...elementLine(
      "delete",
      name,
      others.map(([address]) => address),
    ),
    ...elementLine(
      "add",
      name,
      come.map(([address, verdict]) => `${address} : ${verdict}`),
    ),
  ];
}

function elementLine(verb: string, name: string, elements: readonly string[]): readonly string[] {
  if (elements.length === 0) return [];
  return [`${verb} element ${POLICY_TABLE} ${name} { ${elements.join(", ")} }`];
}

function changed<T>(
  before: ReadonlyMap<string, T>,
  now: ReadonlyMap<string, T>,
  textOf: (value: T) => string,
): readonly (readonly [string, T])[] {
  return [...now].filter(([name, value]) => {
    const known = before.get(name);
    return known === undefined || textOf(known) !== textOf(value);
  });
}

function gone(
  before: ReadonlyMap<string, unknown>,
  now: ReadonlyMap<string, unknown>,
): readonly string[] {
  return [...before.keys()].filter((name) => !now.has(name));
}
