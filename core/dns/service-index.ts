import { addressesOf, type NamedService, type NamedSlice } from "./service-records.ts";
import type { Basis } from "./zone.ts";

/** Services with their EndpointSlices, by key and by address. A change costs what it changes. */
export interface ServiceIndex {
  /** A Service as it is now, or gone; its key is `namespace/name`. */
  service(key: string, service: NamedService | undefined): void;
  /** An EndpointSlice as it is now, or gone; its key is `namespace/name`. */
  slice(key: string, slice: NamedSlice | undefined): void;
  get(key: string): IndexedService | undefined;
  /** Services with this address, of their own or of an endpoint, in the spelling of `sameAddress`. */
  at(address: string): readonly IndexedService[];
}

export interface IndexedService {
  readonly service: NamedService;
  readonly slices: readonly NamedSlice[];
  readonly basis: Basis;
}

/** Of a Service and its EndpointSlices either may come first. There may be very many of these. */
interface Entry extends Basis {
  service: NamedService | undefined;
  slices: readonly NamedSlice[];
}

const NO_SLICES: readonly NamedSlice[] = [];

interface IndexBases {
  /** Moves on when a Service comes or goes. */
  readonly presence: Basis;
  /** Moves on with every change of any Service; what `at` gives stands on it. */
  readonly everything: Basis;
}

export function serviceIndex({ presence, everything }: IndexBases): ServiceIndex {
  const entries = new Map<string, Entry>();
  /** The Service that a slice was last told to be of. */
  const owners = new Map<string, string>();
  /** Nearly every address is one Service's. */
  const byAddress = new Map<string, string | readonly string[]>();

  function change(key: string, next: (entry: Entry) => void): void {
    const entry = entries.get(key) ?? { service: undefined, slices: NO_SLICES, version: 0 };
    entries.set(key, entry);
    const before = addressesOf(entry.service, entry.slices);
    next(entry);
    const after = addressesOf(entry.service, entry.slices);
    for (const address of before) if (!after.has(address)) unlist(address, key);
    for (const address of after) if (!before.has(address)) list(address, key);
    entry.version += 1;
    everything.version += 1;
    if (entry.service === undefined && entry.slices.length === 0) entries.delete(key);
  }

  function list(address: string, key: string): void {
    const known = keysAt(address);
    byAddress.set(address, known.length === 0 ? key : [...known, key]);
  }

  function unlist(address: string, key: string): void {
    const rest = keysAt(address).filter((other) => other !== key);
    const [only] = rest;
    if (only === undefined) byAddress.delete(address);
    else byAddress.set(address, rest.length === 1 ? only : rest);
  }

  function keysAt(address: string): readonly string[] {
    const known = byAddress.get(address) ?? [];
    return typeof known === "string" ? [known] : known;
  }

  function get(key: string): IndexedService | undefined {
    const entry = entries.get(key);
    const service = entry?.service;
    if (entry === undefined || service === undefined) return undefined;
    return { service, slices: entry.slices, basis: entry };
  }

  return {
    get,
    at: (address) => keysAt(address).flatMap((key) => get(key) ?? []),
    service(key, service) {
      change(key, (entry) => {
        if ((entry.service === undefined) !== (service === undefined)) presence.version += 1;
        entry.service = service;
      });
    },
    slice(key, slice) {
      const before = owners.get(key);
      const owner = slice && `${slice.metadata.namespace}/${slice.service}`;
      if (owner === undefined) owners.delete(key);
      else owners.set(key, owner);
      if (before !== undefined) change(before, (entry) => leave(entry, key));
      if (owner !== undefined && slice !== undefined) {
        change(owner, (entry) => {
          entry.slices = [...entry.slices, slice];
        });
      }
    },
  };
}

function leave(entry: Entry, key: string): void {
  entry.slices = entry.slices.filter(
    ({ metadata }) => `${metadata.namespace}/${metadata.name}` !== key,
  );
}
