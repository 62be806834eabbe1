import { addressesOf, type NamedService, type NamedSlice } from "./service-records.ts";
import type { Basis } from "./zone.ts";

/** Services with their EndpointSlices, by key and by address. A change costs what it changes. */
export interface ServiceIndex {
  /** A Service as it is now, or gone; its key is `namespace/name`. */
  service(key: string, service: NamedService | undefined): void;
  /** An EndpointSlice as it is now, or gone; its key is `namespace/name`. */
  slice(key: string, slice: NamedSlice | undefined): void;
  get(key: string): IndexedService | undefined;
  /** Services with this address, of their own or of an endpoint, in the spelling of `canonicalIp`. */
  at(address: string): readonly IndexedService[];
}

export interface IndexedService {
  readonly service: NamedService;
  readonly slices: readonly NamedSlice[];
  readonly basis: Basis;
}

/** Of a Service and its EndpointSlices either may come first. */
interface Entry {
  service: NamedService | undefined;
  slices: readonly NamedSlice[];
  readonly basis: Basis;
}

/** The version of `presence` moves on when a Service comes or goes. */
export function serviceIndex(presence: Basis): ServiceIndex {
  const entries = new Map<string, Entry>();
  const slices = new Map<string, NamedSlice>();
  const byAddress = new Map<string, readonly string[]>();

  function change(key: string, next: (entry: Entry) => void): void {
    const entry = entries.get(key) ?? { service: undefined, slices: [], basis: { version: 0 } };
    entries.set(key, entry);
    const before = addressesOf(entry.service, entry.slices);
    next(entry);
    const after = addressesOf(entry.service, entry.slices);
    for (const address of before) if (!after.has(address)) unlist(address, key);
    for (const address of after) if (!before.has(address)) list(address, key);
    entry.basis.version += 1;
    if (entry.service === undefined && entry.slices.length === 0) entries.delete(key);
  }

  function list(address: string, key: string): void {
    byAddress.set(address, [...(byAddress.get(address) ?? []), key]);
  }

  function unlist(address: string, key: string): void {
    const rest = (byAddress.get(address) ?? []).filter((other) => other !== key);
    if (rest.length === 0) byAddress.delete(address);
    else byAddress.set(address, rest);
  }

  function get(key: string): IndexedService | undefined {
    const entry = entries.get(key);
    const service = entry?.service;
    if (entry === undefined || service === undefined) return undefined;
    return { service, slices: entry.slices, basis: entry.basis };
  }

  return {
    get,
    at: (address) => (byAddress.get(address) ?? []).flatMap((key) => get(key) ?? []),
    service(key, service) {
      change(key, (entry) => {
        if ((entry.service === undefined) !== (service === undefined)) presence.version += 1;
        entry.service = service;
      });
    },
    slice(key, slice) {
      const before = slices.get(key);
      if (slice === undefined) slices.delete(key);
      else slices.set(key, slice);
      if (before !== undefined) {
        change(ownerOf(before), (entry) => {
          entry.slices = entry.slices.filter((one) => one !== before);
        });
      }
      if (slice !== undefined) {
        change(ownerOf(slice), (entry) => {
          entry.slices = [...entry.slices, slice];
        });
      }
    },
  };
}

function ownerOf({ metadata, service }: NamedSlice): string {
  return `${metadata.namespace}/${service}`;
}
