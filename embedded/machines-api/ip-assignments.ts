import { canonicalIp, ipInRange, isInRange, numberInRange, sizeOfRange } from "#core/fly/ip.ts";
import type { IpAssignment } from "#core/ports/addresses.ts";
import type { Clock } from "#core/ports/clock.ts";
import { ApiError, invalid } from "./errors.ts";
import type { IpRecord, Store } from "./store.ts";

/** Number of the first address that is given: the one before it is the API server's own Service's. */
const FIRST = 2;

/** `type` is Fly's; of those only flycast addresses exist here. */
interface AskedIp {
  readonly type: string;
  /** "" or none: an address of the whole App. */
  readonly service_name?: string;
  /** The very address; "" or none: any. */
  readonly ip?: string;
}

/** Which App has which addresses; each change is on the disk before it is told. */
export interface IpDirectory {
  list(app: string): readonly IpAssignment[];
  /** Throws the API's errors: 409 for one that is taken or when none is left, 400, 501. */
  assign(app: string, asked: AskedIp): IpAssignment;
  /** False when the App does not have it. */
  release(app: string, ip: string): boolean;
  /** The App is deleted: so are its addresses. */
  releaseAll(app: string): void;
}

interface Deps {
  readonly store: Store;
  /** Where flycast addresses come from: `fdaa:1:2:0:1::/112`. */
  readonly range: string;
  readonly clock: Clock;
}

export function ipDirectory({ store, range, clock }: Deps): IpDirectory {
  const held = new Map(store.ips().map((record) => [record.ip, record]));
  const end = sizeOfRange(range);
  let last = newest([...held.values()], range);

  /** Addresses come round before one is given again: whoever remembers its last owner forgets. */
  function free(): string {
    for (let tries = FIRST; tries < end && held.size < end - FIRST; tries += 1) {
      last = last + 1 < end ? last + 1 : FIRST;
      const ip = ipInRange(range, last);
      if (!held.has(ip)) return ip;
    }
    throw new ApiError(409, "aborted: insufficient IPs available to fulfill request");
  }

  function wanted(text: string): string {
    const ip = canonicalIp(text);
    if (ip === undefined || !isInRange(ip, range)) {
      throw invalid(`ip: '${text}' is not in ${range}`);
    }
    if (numberInRange(range, ip) < FIRST || held.has(ip)) {
      throw new ApiError(409, `aborted: ${ip} is assigned already`);
    }
    return ip;
  }

  function assign(app: string, asked: AskedIp): IpAssignment {
    if (asked.type !== "private_v6") {
      const text = `unsupported: this platform has no addresses of type ${asked.type}`;
      throw new ApiError(501, text);
    }
    const { service_name = "", ip = "" } = asked;
    const record: IpRecord = {
      app,
      ip: ip === "" ? free() : wanted(ip),
      region: "global",
      service_name,
      shared: false,
      created_at: new Date(clock.now()).toISOString(),
    };
    store.saveIp(record);
    held.set(record.ip, record);
    return viewOf(record);
  }

  return {
    list: (app) => [...held.values()].filter((record) => record.app === app).map(viewOf),
    assign,
    release(app, text) {
      const ip = canonicalIp(text) ?? text;
      if (held.get(ip)?.app !== app) return false;
      store.removeIp(ip);
      return held.delete(ip);
    },
    releaseAll(app) {
      for (const record of held.values()) {
        if (record.app !== app) continue;
        store.removeIp(record.ip);
        held.delete(record.ip);
      }
    },
  };
}

/** Number of the address that was given last, so that a restart does not give it again at once. */
function newest(records: readonly IpRecord[], range: string): number {
  const [first] = records.toSorted(
    (a, b) => b.created_at.localeCompare(a.created_at) || b.ip.localeCompare(a.ip),
  );
  return first === undefined ? FIRST - 1 : numberInRange(range, first.ip);
}

function viewOf({ app: _app, ...assignment }: IpRecord): IpAssignment {
  return assignment;
}
