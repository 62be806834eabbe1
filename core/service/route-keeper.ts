import { aborted } from "../aborted.ts";
import { FksError } from "../errors.ts";
import { type Clock, sleep } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import type { RouteTables, Source, SourceChanges } from "../ports/route-tables.ts";
import type { Route } from "./route.ts";
import type { RoutingTable } from "./routing-table.ts";

const RETRY_FIRST_MS = 100;
const RETRY_MAX_MS = 10_000;
const NONE: SourceChanges = { gone: [], come: [] };

interface RouteKeeperOptions {
  readonly table: RoutingTable;
  /** Everything there is has been seen: a Service that is not known yet must not be taken for none. */
  readonly isSynced: () => boolean;
  /** The Machines and their Nodes, as far as they are known. */
  readonly sources: () => readonly Source[];
  readonly tables: RouteTables;
  readonly clock: Clock;
  readonly log: Log;
}

export interface RouteKeeper {
  /** Something may have changed. */
  touch(): void;
  /** What held the tables is another one now. */
  reload(): void;
  /** Resolves once some Service asks on which Node its caller is, or `signal` aborts. */
  sourcesWanted(signal: AbortSignal): Promise<void>;
  /** For people: why Services may not be served as they say; undefined: they are. */
  waitsFor(): string | undefined;
  /** Keeps the tables in step until `signal` aborts. */
  run(signal: AbortSignal): Promise<void>;
}

/** Brings the tables in step change by change; what comes while one is made is made with the next. */
export function routeKeeper(options: RouteKeeperOptions): RouteKeeper {
  const { table, tables, isSynced, clock, log } = options;
  let touched = Promise.withResolvers<void>();
  let isLoaded = false;
  /** Bumped by `reload`: a load that was under way does not count. */
  let generation = 0;
  let waitingFor: string | undefined = "waiting for the tables";
  let localRoutes = 0;
  const wanted = Promise.withResolvers<void>();
  let sources: ReadonlyMap<string, Source> = new Map();

  const wake = (): void => touched.resolve();

  function sourcesNow(): ReadonlyMap<string, Source> {
    if (localRoutes === 0) return new Map();
    wanted.resolve();
    return new Map(options.sources().map((source) => [`${source.address} ${source.node}`, source]));
  }

  async function load(signal: AbortSignal): Promise<void> {
    const of = generation;
    table.changes();
    const routes = table.routes();
    localRoutes = routes.filter(isLocal).length;
    sources = sourcesNow();
    await tables.load({ routes, sources: [...sources.values()] }, signal);
    if (of !== generation) return;
    isLoaded = true;
    log.info("Services are served", { routes: routes.length });
  }

  /** True when there was something to do. */
  async function applyChanges(signal: AbortSignal): Promise<boolean> {
    const changes = table.changes() ?? { gone: [], come: [] };
    localRoutes += changes.come.filter(isLocal).length - changes.gone.filter(isLocal).length;
    const before = sources;
    sources = sourcesNow();
    const moved = before.size + sources.size === 0 ? NONE : sourceChanges(before, sources);
    const count = changes.gone.length + changes.come.length + moved.gone.length + moved.come.length;
    if (count === 0) return false;
    // Until all is done nobody knows what the tables hold.
    const of = generation;
    isLoaded = false;
    await tables.apply({ ...changes, sources: moved, routes: table.routes() }, signal);
    isLoaded = of === generation;
    return true;
  }

  return {
    touch: wake,
    reload() {
      generation += 1;
      isLoaded = false;
      wake();
    },
    sourcesWanted: (signal) => Promise.race([wanted.promise, aborted(signal)]),
    waitsFor() {
      if (!isSynced()) return "waiting for the list of Services";
      return waitingFor;
    },
    async run(signal) {
      signal.addEventListener("abort", wake, { once: true });
      for (let delayMs = RETRY_FIRST_MS; !signal.aborted; ) {
        touched = Promise.withResolvers();
        try {
          const isBusy = isSynced() && (await (isLoaded ? applyChanges : loaded)(signal));
          if (isLoaded) waitingFor = undefined;
          delayMs = RETRY_FIRST_MS;
          if (!isBusy && !signal.aborted) await touched.promise;
        } catch (error) {
          if (signal.aborted) return;
          if (!(error instanceof FksError)) throw error;
          waitingFor = error.message;
          log.warn("Services are not served as they say", { err: error, retry_in_ms: delayMs });
          await sleep(clock, delayMs, signal).catch(() => {});
          delayMs = Math.min(delayMs * 2, RETRY_MAX_MS);
        }
      }
    },
  };

  async function loaded(signal: AbortSignal): Promise<boolean> {
    await load(signal);
    return true;
  }
}

function isLocal({ internal }: Route): boolean {
  return internal === "Local";
}

function sourceChanges(
  before: ReadonlyMap<string, Source>,
  now: ReadonlyMap<string, Source>,
): SourceChanges {
  return {
    gone: [...before].filter(([key]) => !now.has(key)).map(([, source]) => source),
    come: [...now].filter(([key]) => !before.has(key)).map(([, source]) => source),
  };
}
