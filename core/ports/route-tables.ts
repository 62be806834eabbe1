import type { Route } from "../service/route.ts";
import type { RouteChanges } from "../service/routing-table.ts";

/** A Machine and the Node it is of. */
export interface Source {
  readonly address: string;
  readonly node: string;
}

/** What Services need of the kernel, or of whoever serves them. */
export interface RouteTables {
  /**
   * Makes the tables hold exactly this, whatever they held, without a gap in which a Service is not
   * served, and with connections left as they are. Throws FksError when they could not be made.
   */
  load(wanted: WantedRoutes, signal: AbortSignal): Promise<void>;
  /** The same by what differs; after a throw only `load` helps. */
  apply(changes: TableChanges, signal: AbortSignal): Promise<void>;
}

export interface WantedRoutes {
  readonly routes: readonly Route[];
  readonly sources: readonly Source[];
}

export interface TableChanges extends RouteChanges {
  readonly sources: SourceChanges;
  /** All there are once the changes are made. */
  readonly routes: readonly Route[];
}

export interface SourceChanges {
  readonly gone: readonly Source[];
  readonly come: readonly Source[];
}
