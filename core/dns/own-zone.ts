import { addressRecords } from "./address.ts";
import type { ClusterNames } from "./cluster-names.ts";
import type { MachineNames } from "./machine-names.ts";
import { isWithin, type Name } from "./name.ts";
import { type Found, REVERSE_DOMAIN, UNKNOWN, type Zone } from "./zone.ts";

/** A source of names, and whether it has told all there are. */
export interface Source<Names extends Zone> {
  readonly names: Names;
  readonly isSynced: () => boolean;
}

interface OwnZoneOptions {
  readonly machines: Source<MachineNames>;
  readonly cluster: Source<ClusterNames>;
  /** Names with these addresses, whatever else is known of them. */
  readonly hosts: ReadonlyMap<Name, readonly string[]>;
}

/**
 * The names of Machines and of the cluster as one zone. A name that was not told of is unknown,
 * not absent, until its source has told everything once.
 */
export function ownZone({ machines, cluster, hosts }: OwnZoneOptions): Zone {
  const fixed = new Map([...hosts].map(([name, ips]) => [name, ips.flatMap(addressRecords)]));

  return {
    find(name, type) {
      const records = fixed.get(name);
      if (records !== undefined) return { records };
      if (isWithin(name, "internal")) return inSource(machines, name, type);
      const inCluster = inSource(cluster, name, type);
      if (inCluster.records !== undefined || !isWithin(name, REVERSE_DOMAIN)) return inCluster;
      const ofMachine = inSource(machines, name, type);
      return ofMachine.records === undefined && inCluster.isUnknown ? inCluster : ofMachine;
    },
  };
}

function inSource({ names, isSynced }: Source<Zone>, name: Name, type?: number): Found {
  const found = names.find(name, type);
  return found.records === undefined && !isSynced() ? UNKNOWN : found;
}
