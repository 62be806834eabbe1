import { FksError } from "#core/errors.ts";
import { canonicalIp, ipInRange, isInRange, sizeOfRange } from "#core/fly/ip.ts";
import { networkPlanFor } from "#core/fly/network.ts";
import type { Addresses, IpAssignment } from "#core/ports/addresses.ts";

interface MemoryAddressesOptions {
  readonly hasApp: (name: string) => boolean;
  readonly range?: string;
  /** False: as Fly, which gives any address whatever it is asked for. */
  readonly givesWanted?: boolean;
}

/** Addresses in memory, and all that are assigned: `app/ip`. */
export interface MemoryAddresses extends Addresses {
  all(): readonly (IpAssignment & { readonly app: string })[];
  /** Behind everybody's back. */
  lose(ip: string): void;
  /** The App was destroyed. */
  forget(app: string): void;
}

export function memoryAddresses({
  hasApp,
  range = networkPlanFor("12345678").serviceRange,
  givesWanted = true,
}: MemoryAddressesOptions): MemoryAddresses {
  const held = new Map<string, IpAssignment & { readonly app: string }>();
  let last = 1;

  function check(app: string): void {
    if (!hasApp(app)) throw new FksError("NotFound", `Could not find App "${app}"`);
  }

  function free(): string {
    const size = sizeOfRange(range);
    for (let tries = 2; tries < size; tries += 1) {
      last = last + 1 < size ? last + 1 : 2;
      if (!held.has(ipInRange(range, last))) return ipInRange(range, last);
    }
    throw new FksError("Unavailable", "aborted: insufficient IPs available to fulfill request");
  }

  function wanted(text: string): string {
    const ip = canonicalIp(text) ?? "";
    if (!isInRange(ip, range)) throw new FksError("InvalidInput", `${text} is not in ${range}`);
    if (held.has(ip)) throw new FksError("Conflict", `aborted: ${ip} is assigned already`);
    return ip;
  }

  return {
    async list(app, signal) {
      signal.throwIfAborted();
      check(app);
      return [...held.values()].filter((one) => one.app === app);
    },
    async assign(app, { service_name = "", ip }, signal) {
      signal.throwIfAborted();
      check(app);
      const given = ip === undefined || !givesWanted ? free() : wanted(ip);
      const one = { ip: given, app, region: "global", service_name, shared: false, created_at: "" };
      held.set(given, one);
      return one;
    },
    async release(app, ip, signal) {
      signal.throwIfAborted();
      if (held.get(ip)?.app === app) held.delete(ip);
    },
    all: () => [...held.values()],
    lose: (ip) => void held.delete(ip),
    forget(app) {
      for (const [ip, one] of held) if (one.app === app) held.delete(ip);
    },
  };
}
