import type { EndpointSlice } from "../kube/endpoint-slice.ts";
import type { Service } from "../kube/service.ts";
import { type Route, routesFor } from "./route.ts";

/** What has to be taken out of a table of routes, and what put in, to keep it in step. */
export interface RouteChanges {
  readonly gone: readonly Route[];
  readonly come: readonly Route[];
}

/** The routes of every Service, kept in step with Services and EndpointSlices piece by piece. */
export interface RoutingTable {
  /** Something about this object may have changed, by `namespace/name`. */
  serviceChanged(key: string): void;
  sliceChanged(key: string): void;
  /** What changed since the last call; undefined: nothing. */
  changes(): RouteChanges | undefined;
  routes(): readonly Route[];
  /** Of one Service, by `namespace/name`. */
  routesOf(service: string): readonly Route[];
}

interface Lists {
  readonly services: { get(key: string): Service | undefined };
  readonly slices: { get(key: string): EndpointSlice | undefined };
}

/** Reads from the two lists only what it was told about, so that a change costs what it touches. */
export function routingTable({ services, slices }: Lists): RoutingTable {
  const table = new Map<string, readonly Route[]>();
  /** Keys of each Service's slices, and the Service of each slice. */
  const slicesOf = new Map<string, Set<string>>();
  const serviceOf = new Map<string, string>();
  const touched = new Set<string>();

  function routesNow(key: string): readonly Route[] {
    const service = services.get(key);
    if (service === undefined) return [];
    const own = [...(slicesOf.get(key) ?? [])].toSorted();
    return routesFor(
      service,
      own.flatMap((slice) => slices.get(slice) ?? []),
    );
  }

  function forgetSlice(key: string, service: string): void {
    const own = slicesOf.get(service);
    own?.delete(key);
    if (own?.size === 0) slicesOf.delete(service);
    serviceOf.delete(key);
    touched.add(service);
  }

  return {
    serviceChanged: (key) => void touched.add(key),
    sliceChanged(key) {
      const slice = slices.get(key);
      const now = slice && slice.service !== "" ? serviceKeyOf(slice) : undefined;
      const before = serviceOf.get(key);
      if (before !== undefined && before !== now) forgetSlice(key, before);
      if (now === undefined) return;
      serviceOf.set(key, now);
      slicesOf.set(now, (slicesOf.get(now) ?? new Set()).add(key));
      touched.add(now);
    },
    changes() {
      const gone: Route[] = [];
      const come: Route[] = [];
      for (const key of touched) {
        const before = table.get(key) ?? [];
        const now = routesNow(key);
        gone.push(...without(before, now));
        come.push(...without(now, before));
        if (now.length === 0) table.delete(key);
        else table.set(key, now);
      }
      touched.clear();
      return gone.length + come.length === 0 ? undefined : { gone, come };
    },
    routesOf: (service) => table.get(service) ?? [],
    routes: () => [...table.values()].flat(),
  };
}

function serviceKeyOf({ metadata, service }: EndpointSlice): string {
  return `${metadata.namespace}/${service}`;
}

/** Those of `routes` that `others` lacks. */
function without(routes: readonly Route[], others: readonly Route[]): readonly Route[] {
  if (others.length === 0) return routes;
  const known = new Set(others.map((route) => JSON.stringify(route)));
  return routes.filter((route) => !known.has(JSON.stringify(route)));
}
