import type { Service } from "../kube/service.ts";
import type { Clock } from "../ports/clock.ts";

/** Longer than the API server lets a request take, whose Service may appear at its end. */
export const UNDER_WAY_MS = 90_000;
const KEYS_MAX = 20_000;

/** Addresses that were given for Services which may not be there yet. */
export interface Handed {
  /** An address was given for the Service with this key. */
  give(key: string, ip: string): void;
  /** The Service is there, or was. */
  seen(service: Service): void;
  /**
   * Whether a Service with this key may still appear with an address it was given. One that has been
   * there while we looked, and got nothing since, may not.
   */
  isUnderWay(key: string): boolean;
  /** Nothing of it is left. */
  forget(key: string): void;
}

/** What it knows ends with the process: at first everything may be under way. */
export function handed(clock: Clock): Handed {
  const startedMs = clock.now();
  const given = new Map<string, { readonly ip: string; readonly atMs: number }>();
  const there = new Set<string>();

  return {
    give(key, ip) {
      given.delete(key);
      given.set(key, { ip, atMs: clock.now() });
      const [oldest] = given.keys();
      if (given.size > KEYS_MAX && oldest !== undefined) given.delete(oldest);
    },
    seen({ metadata, spec }) {
      const key = `${metadata.namespace}/${metadata.name}`;
      if (given.get(key)?.ip === spec.clusterIP) given.delete(key);
      if (spec.clusterIP !== "" && spec.clusterIP !== "None") there.add(key);
    },
    isUnderWay(key) {
      const atMs = given.get(key)?.atMs ?? (there.has(key) ? Number.NEGATIVE_INFINITY : startedMs);
      return clock.now() - atMs < UNDER_WAY_MS;
    },
    forget(key) {
      given.delete(key);
      there.delete(key);
    },
  };
}
