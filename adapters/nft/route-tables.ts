import { writeFileSync } from "node:fs";
import { FksError, messageOf } from "#core/errors.ts";
import type { Log } from "#core/ports/log.ts";
import type { RouteTables, SourceChanges } from "#core/ports/route-tables.ts";
import type { Route } from "#core/service/route.ts";
import { endUdpFlows } from "./conntrack.ts";
import { staleFlowsBy } from "./flows.ts";
import { hostTableFor, hostTableText } from "./host-text.ts";
import { type Ledger, ledger } from "./ledger.ts";
import { nodePortsOf } from "./pieces.ts";
import type { NftPlace } from "./place.ts";
import { routerTableText, TABLE } from "./router-text.ts";
import { nftIn } from "./run-nft.ts";

/** Routes whose text is there at the same time. */
const LOADED_AT_A_TIME = 500;
const NONE: SourceChanges = { gone: [], come: [] };

interface NftRouteTablesOptions {
  readonly place: NftPlace;
  /** Path of the router's namespace. */
  readonly netns: string;
  /** Makes a socket in it. */
  readonly within: <T>(make: () => T) => T;
  readonly log: Log;
}

/** Serves Services by nft: maps in the router's namespace, and NodePorts on the host. */
export function nftRouteTables({ place, netns, within, log }: NftRouteTablesOptions): RouteTables {
  const router = nftIn(netns);
  const host = nftIn(undefined);
  const hostTable = hostTableFor(place);
  let book: Ledger | undefined;

  async function deleteStale(statements: readonly string[], signal: AbortSignal): Promise<void> {
    for (const statement of statements) {
      try {
        await router.load(statement, signal);
      } catch (error) {
        if (!FksError.is(error, "Unavailable")) throw error;
        // Nothing leads to it, so it may as well stay until the next load.
        log.debug("stale piece stays", { statement, reason: messageOf(error) });
      }
    }
  }

  /** What an earlier life left of ClientIP affinity and nobody asks for now. */
  async function leftovers(now: Ledger, signal: AbortSignal): Promise<readonly string[]> {
    const names = now.affinityNames();
    const found = await affinityNamesIn(router, signal);
    return found
      .filter(({ name }) => !names.has(name))
      .map(({ kind, name }) => `delete ${kind} ${TABLE} ${name}\n`);
  }

  function endStaleFlows(routes: readonly Route[]): void {
    const ended = endUdpFlows(within, staleFlowsBy(routes, place));
    if (ended > 0) log.info("UDP flows ended whose endpoint is gone", { flows: ended });
  }

  return {
    async load({ routes, sources }, signal) {
      book = undefined;
      let fresh = ledger(place);
      const whole = function* (head = ""): Generator<string> {
        fresh = ledger(place);
        yield `${head}${routerTableText(place)}`;
        for (let at = 0; at < routes.length; at += LOADED_AT_A_TIME) {
          const come = routes.slice(at, at + LOADED_AT_A_TIME);
          yield fresh.enter({ gone: [], come, sources: NONE }).router;
        }
        yield fresh.enter({ gone: [], come: [], sources: { gone: [], come: sources } }).router;
      };
      try {
        await router.load(whole(), signal);
      } catch (error) {
        if (!FksError.is(error, "Unavailable")) throw error;
        // A table that another version made cannot be filled, only replaced.
        log.info("service table made anew", { reason: messageOf(error) });
        await router.load(whole(`add table ${TABLE}\ndelete table ${TABLE}\n`), signal);
      }
      allowLoopbackNodePorts(place);
      await host.load(hostTableText(place, routes.flatMap(nodePortsOf)), signal);
      await deleteStale(await leftovers(fresh, signal), signal);
      endStaleFlows(routes);
      book = fresh;
    },

    async apply(changes, signal) {
      const now = book;
      if (now === undefined) throw new FksError("Unavailable", "the tables are not loaded");
      // Until all is done nobody knows what the tables hold.
      book = undefined;
      const { router: text, nodePorts } = now.enter(changes);
      if (text !== "") await router.load(text, signal);
      const hostText = [
        ...nodePorts.gone.map((port) => `delete element ${hostTable} nodeports { ${port} }\n`),
        ...nodePorts.come.map((port) => `add element ${hostTable} nodeports { ${port} }\n`),
      ].join("");
      if (hostText !== "") await host.load(hostText, signal);
      await deleteStale(now.takeStale(), signal);
      if (changes.gone.some(({ protocol }) => protocol === "UDP")) endStaleFlows(changes.routes);
      if (nodePorts.come.length > 0) endUnansweredFlows(nodePorts.come);
      book = now;
    },
  };
}

/** What came for these ports before is known to the host as a flow that nobody NATs. */
function endUnansweredFlows(ports: readonly string[]): void {
  const isAsked = new Set(ports.map((port) => port.replace("udp . ", "")));
  endUdpFlows(
    (make) => make(),
    ({ asked, answers }) => asked.address === answers.address && isAsked.has(String(asked.port)),
  );
}

/** Answers to a loopback address may leave by the link. The host table keeps everything else from it. */
function allowLoopbackNodePorts({ plan }: NftPlace): void {
  try {
    writeFileSync(`/proc/sys/net/ipv4/conf/${plan.hostInterface}/route_localnet`, "1");
  } catch (error) {
    throw new FksError("Unavailable", `the link ${plan.hostInterface} is not there`, {
      cause: error,
    });
  }
}

interface Piece {
  readonly kind: "chain" | "map";
  readonly name: string;
}

/** Chains before the maps they use. */
async function affinityNamesIn(
  router: ReturnType<typeof nftIn>,
  signal: AbortSignal,
): Promise<readonly Piece[]> {
  const pieces: Piece[] = [];
  for (const kind of ["chain", "map"] as const) {
    const text = await router.ask(["-t", "list", `${kind}s`], signal);
    for (const [, name = ""] of text.matchAll(
      new RegExp(`^\\s*${kind} (affinity_\\S+) \\{`, "gm"),
    )) {
      pieces.push({ kind, name });
    }
  }
  return pieces;
}
