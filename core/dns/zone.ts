import { isWithin, type Name } from "./name.ts";
import type { RecordData } from "./record.ts";

/** Everything we answer for, as it is at this moment. */
export interface Zone {
  /**
   * What is at a name, which is in lower case. Whoever names a type gets records of that type, and
   * others perhaps.
   */
  find(name: Name, type?: number): Found;
}

export interface Found {
  /** `undefined`: there is no such name. Empty: it exists without records of its own. */
  readonly records: readonly RecordData[] | undefined;
  /** Whether there is such a name cannot be said yet. */
  readonly isUnknown?: boolean;
  /** What that stands on; absent: it may be something else the next time. */
  readonly basis?: Basis;
}

/** Something names are derived from. Its version changes whenever they may have changed. */
export interface Basis {
  version: number;
}

/** The one that Kubernetes itself takes where none is given. */
export const CLUSTER_DOMAIN = "cluster.local";

/** Domains that nobody but us knows anything about: what is not here is nowhere. */
const OWN_DOMAINS = [CLUSTER_DOMAIN, "internal", "flycast", "a.a.d.f.ip6.arpa"] as const;

/** The domain of reverse names, of which ours are some. */
export const REVERSE_DOMAIN = "arpa";

export const NOWHERE: Found = { records: undefined };
export const UNKNOWN: Found = { records: undefined, isUnknown: true };

/** The one of our domains that a name in lower case is in. */
export function ownDomainOf(name: Name): Name | undefined {
  return OWN_DOMAINS.find((own) => isWithin(name, own));
}
