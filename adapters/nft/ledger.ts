/** What is in the tables by now, and the text that brings them where they should be. */
import type { Source, TableChanges } from "#core/ports/route-tables.ts";
import type { Route } from "#core/service/route.ts";
import type { Chain, Element } from "./group.ts";
import { type Pieces, piecesFor, sourceElement } from "./pieces.ts";
import type { NftPlace } from "./place.ts";
import { TABLE } from "./router-text.ts";

export interface Ledger {
  /** One transaction for the router's table, "" where nothing changes, and what the host's set lacks. */
  enter(changes: Omit<TableChanges, "routes">): {
    readonly router: string;
    readonly nodePorts: SetChanges;
  };
  /** Statements that delete what nothing leads to any more; each is told once. */
  takeStale(): readonly string[];
  /** Names of the chains and maps of ClientIP affinity that are in use. */
  affinityNames(): ReadonlySet<string>;
}

interface SetChanges {
  readonly gone: readonly string[];
  readonly come: readonly string[];
}

/** So many elements go into one statement. */
const STATEMENT_ELEMENTS = 1_000;

/**
 * Starts with empty tables. Only chains are remembered: an element is one route's alone, as Kubernetes
 * gives no address and no NodePort twice, so what changes follows from the routes that change.
 */
export function ledger(place: NftPlace): Ledger {
  /** Chains with affinity, by name. */
  const own = new Map<string, Chain>();
  /** Shared chains stay: there are no more of them than sizes of groups. */
  const shared = new Set<string>();
  let stale = new Set<string>();

  function chainTexts(out: Pieces, into: Pieces): string {
    const wanted = new Map(into.chains.map((chain) => [chain.name, chain]));
    const texts: string[] = [];
    for (const { name, affinity } of out.chains) {
      if (affinity !== undefined && !wanted.has(name)) own.delete(name);
    }
    for (const chain of wanted.values()) {
      const isKnown =
        chain.affinity === undefined
          ? shared.has(chain.name)
          : own.get(chain.name)?.text === chain.text;
      if (!isKnown) texts.push(chain.text);
      if (chain.affinity === undefined) shared.add(chain.name);
      else own.set(chain.name, chain);
    }
    for (const statement of out.chains.flatMap(deletions)) stale.add(statement);
    for (const statement of into.chains.flatMap(deletions)) stale.delete(statement);
    return texts.join("");
  }

  return {
    enter({ gone, come, sources }) {
      const out = together(gone, sources.gone, place);
      const into = together(come, sources.come, place);
      const [before, now] = [byText(out.elements), byText(into.elements)];
      return {
        router: [
          chainTexts(out, into),
          statements("delete", missing(before, now)),
          statements("add", missing(now, before)),
        ].join(""),
        nodePorts: {
          gone: out.nodePorts.filter((port) => !into.nodePorts.includes(port)),
          come: into.nodePorts.filter((port) => !out.nodePorts.includes(port)),
        },
      };
    },
    takeStale() {
      const taken = [...stale];
      stale = new Set();
      return taken;
    },
    affinityNames: () =>
      new Set([...own.values()].flatMap(({ name, affinity = "" }) => [name, affinity])),
  };
}

function together(routes: readonly Route[], sources: readonly Source[], place: NftPlace): Pieces {
  const pieces = routes.map((route) => piecesFor(route, place));
  return {
    chains: pieces.flatMap(({ chains }) => chains),
    elements: [
      ...pieces.flatMap(({ elements }) => elements),
      ...sources.flatMap((source) => sourceElement(source, place) ?? []),
    ],
    nodePorts: pieces.flatMap(({ nodePorts }) => nodePorts),
  };
}

/** The chain first: its rules use the map. */
function deletions({ name, affinity }: Chain): readonly string[] {
  if (affinity === undefined) return [];
  return [`delete chain ${TABLE} ${name}\n`, `delete map ${TABLE} ${affinity}\n`];
}

function byText(elements: readonly Element[]): ReadonlyMap<string, Element> {
  return new Map(elements.map((one) => [`${one.holder} ${one.key} : ${one.value}`, one]));
}

/** Those of `there` that `here` lacks. */
function missing(
  there: ReadonlyMap<string, Element>,
  here: ReadonlyMap<string, Element>,
): readonly Element[] {
  return [...there].filter(([text]) => !here.has(text)).map(([, element]) => element);
}

/** Elements by what holds them; a thousand to a statement. */
function statements(verb: "add" | "delete", elements: readonly Element[]): string {
  const lines: string[] = [];
  for (const [holder, all] of Map.groupBy(elements, (element) => element.holder)) {
    for (let at = 0; at < all.length; at += STATEMENT_ELEMENTS) {
      const words = all
        .slice(at, at + STATEMENT_ELEMENTS)
        .map(({ key, value }) => (verb === "add" ? `${key} : ${value}` : key));
      lines.push(`${verb} element ${TABLE} ${holder} { ${words.join(", ")} }\n`);
    }
  }
  return lines.join("");
}
