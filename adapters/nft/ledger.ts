/** What is in the tables by now, and the text that brings them where they should be. */
import type { Source, TableChanges } from "#core/ports/route-tables.ts";
import type { Chain, Element } from "./group.ts";
import { type Pieces, piecesFor, sourceElement } from "./pieces.ts";
import type { NftPlace } from "./place.ts";
import { TABLE } from "./router-text.ts";

export interface Ledger {
  /** One transaction for the router's table, and the host's NodePorts; "" where nothing changes. */
  enter(changes: Omit<TableChanges, "routes">): {
    readonly router: string;
    readonly nodePorts: SetChanges;
  };
  nodePorts(): readonly string[];
  /** Statements that delete what nothing leads to any more; each is told once. */
  takeStale(): readonly string[];
  /** Names of the chains and maps of ClientIP affinity that are in use. */
  affinityNames(): ReadonlySet<string>;
}

export interface SetChanges {
  readonly gone: readonly string[];
  readonly come: readonly string[];
}

/** So many elements go into one statement. */
const STATEMENT_ELEMENTS = 1_000;

/** Starts with empty tables. */
export function ledger(place: NftPlace): Ledger {
  const elements = counted<Element>(({ holder, key, value }) => `${holder} ${key} : ${value}`);
  const ports = counted<string>((port) => port);
  const chains = counted<Chain>(({ text }) => text);
  /** Shared chains stay: there are no more of them than sizes of groups. */
  const shared = new Set<string>();
  let stale = new Set<string>();

  return {
    enter({ gone, come, sources }) {
      const out = [
        ...gone.map((route) => piecesFor(route, place)),
        sourcePieces(sources.gone, place),
      ];
      const into = [
        ...come.map((route) => piecesFor(route, place)),
        sourcePieces(sources.come, place),
      ];
      const changed = elements.exchange(
        out.flatMap((pieces) => pieces.elements),
        into.flatMap((pieces) => pieces.elements),
      );
      const nodePorts = ports.exchange(
        out.flatMap((pieces) => pieces.nodePorts),
        into.flatMap((pieces) => pieces.nodePorts),
      );
      const own = chains.exchange(affinityIn(out), affinityIn(into));
      for (const statement of own.gone.flatMap(deletions)) stale.add(statement);
      for (const statement of own.come.flatMap(deletions)) stale.delete(statement);

      const fresh = into
        .flatMap((pieces) => pieces.chains)
        .filter(({ name, affinity }) => affinity === undefined && !shared.has(name));
      for (const { name } of fresh) shared.add(name);
      const texts = new Map([...fresh, ...own.come].map(({ name, text }) => [name, text]));
      return {
        router: [
          ...texts.values(),
          statements("delete", changed.gone),
          statements("add", changed.come),
        ].join(""),
        nodePorts,
      };
    },
    nodePorts: () => ports.all(),
    takeStale() {
      const taken = [...stale];
      stale = new Set();
      return taken;
    },
    affinityNames: () =>
      new Set(chains.all().flatMap(({ name, affinity = "" }) => [name, affinity])),
  };
}

/** The chain first: its rules use the map. */
function deletions({ name, affinity }: Chain): readonly string[] {
  return [`delete chain ${TABLE} ${name}\n`, `delete map ${TABLE} ${affinity}\n`];
}

function sourcePieces(sources: readonly Source[], place: NftPlace): Pieces {
  const elements = sources.flatMap((source) => sourceElement(source, place) ?? []);
  return { elements, chains: [], nodePorts: [] };
}

function affinityIn(pieces: readonly Pieces[]): readonly Chain[] {
  return pieces.flatMap(({ chains }) => chains).filter(({ affinity }) => affinity !== undefined);
}

interface Counted<T> {
  /** Takes and gives; what came of it: those that nobody has any more, and those that are new. */
  exchange(gone: readonly T[], come: readonly T[]): { gone: readonly T[]; come: readonly T[] };
  all(): readonly T[];
}

function counted<T>(keyOf: (item: T) => string): Counted<T> {
  const counts = new Map<string, { readonly item: T; count: number }>();
  return {
    exchange(gone, come) {
      const before = new Map<string, boolean>();
      const touch = (item: T, by: number): void => {
        const key = keyOf(item);
        const entry = counts.get(key) ?? { item, count: 0 };
        if (!before.has(key)) before.set(key, entry.count > 0);
        entry.count += by;
        counts.set(key, entry);
      };
      for (const item of gone) touch(item, -1);
      for (const item of come) touch(item, 1);

      const result = { gone: [] as T[], come: [] as T[] };
      for (const [key, was] of before) {
        const entry = counts.get(key);
        if (entry === undefined) continue;
        if (entry.count <= 0) counts.delete(key);
        if (was && entry.count <= 0) result.gone.push(entry.item);
        if (!was && entry.count > 0) result.come.push(entry.item);
      }
      return result;
    },
    all: () => [...counts.values()].map(({ item }) => item),
  };
}

/** Elements by what holds them; a thousand to a statement. */
function statements(verb: "add" | "delete", elements: readonly Element[]): string {
  const lines: string[] = [];
  for (const [holder, own] of Map.groupBy(elements, (element) => element.holder)) {
    for (let at = 0; at < own.length; at += STATEMENT_ELEMENTS) {
      const words = own
        .slice(at, at + STATEMENT_ELEMENTS)
        .map(({ key, value }) =>
          verb === "add" && value !== undefined ? `${key} : ${value}` : key,
        );
      lines.push(`${verb} element ${TABLE} ${holder} { ${words.join(", ")} }\n`);
    }
  }
  return lines.join("");
}
