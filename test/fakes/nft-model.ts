/** What nft makes of the statements of `adapters/nft`; it throws where nft would. */
export interface NftModel {
  run(text: string): void;
  /** What the host's set of NodePorts is told. */
  host(changes: { readonly gone: readonly string[]; readonly come: readonly string[] }): void;
  elements(): Readonly<Record<string, string>>;
  nodePorts(): readonly string[];
  /** Rules by chain. */
  chains(): ReadonlyMap<string, readonly string[]>;
}

export function nftModel(): NftModel {
  const elements = new Map<string, string>();
  const chains = new Map<string, string[]>();
  const ports = new Set<string>();

  const element = (verb: string, name: string, value: string): void => {
    if (elements.has(name) === (verb === "add")) throw new Error(`cannot ${verb} ${name}`);
    if (verb === "delete") elements.delete(name);
    else elements.set(name, value);
    const chain = /goto (\S+)/.exec(value)?.[1] ?? "prerouting_local";
    if (!chain.endsWith("_local") && !chains.has(chain)) throw new Error(`no chain ${chain}`);
  };
  const chain = (verb: string, name: string): void => {
    const isUsed = [...elements.values()].includes(`goto ${name}`);
    if (verb === "delete" && (isUsed || !chains.delete(name))) throw new Error(`${name} is busy`);
    if (verb === "flush" || (verb === "add" && !chains.has(name))) chains.set(name, []);
  };
  const statement = (line: string): void => {
    const words = /^(add|delete|flush) (\w+) inet services (\S+) ?(.*)$/.exec(line) ?? [];
    const [, verb = "", kind, holder = "", rest = ""] = words;
    if (kind === "chain") chain(verb, holder);
    if (kind === "rule") chains.get(holder)?.push(rest);
    if (kind !== "element") return;
    for (const text of rest.slice(2, -2).split(", ")) {
      const [key = "", value = ""] = text.split(" : ");
      element(verb, `${holder} ${key}`, value);
    }
  };

  return {
    run(text) {
      for (const line of text.split("\n")) if (line !== "") statement(line);
    },
    host({ gone, come }) {
      for (const port of gone) if (!ports.delete(port)) throw new Error(`no NodePort ${port}`);
      for (const port of come) {
        if (ports.has(port)) throw new Error(`NodePort ${port} is there`);
        ports.add(port);
      }
    },
    elements: () => Object.fromEntries(elements),
    nodePorts: () => [...ports].toSorted(),
    chains: () => chains,
  };
}
