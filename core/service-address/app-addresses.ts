import { mutex } from "../controller/mutex.ts";
import { FksError } from "../errors.ts";
import { isInRange } from "../fly/ip.ts";
import type { Addresses, IpAssignment } from "../ports/addresses.ts";

/** The flycast addresses of one App's Services, while nobody else of us changes them. */
export interface AppAddresses {
  /** By address. Read from Fly once, and again whenever a call left it open what is there. */
  held(signal: AbortSignal): Promise<ReadonlyMap<string, IpAssignment>>;
  /** Another one for the Service `name`, or the very one that is wanted. Throws as `Addresses` does. */
  assign(name: string, wanted: string | undefined, signal: AbortSignal): Promise<string>;
  release(ip: string, signal: AbortSignal): Promise<void>;
  /** What is there may be different by now. */
  forget(): void;
}

/** Lets one piece of work after the other at the addresses of an App. */
export type WithApp = <T>(app: string, work: (addresses: AppAddresses) => Promise<T>) => Promise<T>;

export function appAddresses(addresses: Addresses, range: string): WithApp {
  const inTurn = mutex();
  const known = new Map<string, Map<string, IpAssignment>>();

  /** A call that failed may have been obeyed. */
  async function changing<T>(app: string, call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      known.delete(app);
      throw error;
    }
  }

  function of(app: string): AppAddresses {
    return {
      async held(signal) {
        const before = known.get(app);
        if (before !== undefined) return before;
        const list = await addresses.list(app, signal);
        const ours = list.filter(({ ip, service_name }) => {
          return service_name !== "" && isInRange(ip, range);
        });
        const fresh = new Map(ours.map((one) => [one.ip, one]));
        known.set(app, fresh);
        return fresh;
      },
      assign: (name, wanted, signal) =>
        changing(app, async () => {
          const asked = wanted === undefined ? {} : { ip: wanted };
          const request = { type: "private_v6", service_name: name, ...asked } as const;
          const given = await addresses.assign(app, request, signal);
          if (!isInRange(given.ip, range)) {
            await addresses.release(app, given.ip, signal);
            throw new FksError("Unsupported", `the platform gave ${given.ip}, outside of ${range}`);
          }
          known.get(app)?.set(given.ip, { ...given, service_name: name });
          return given.ip;
        }),
      release: (ip, signal) =>
        changing(app, async () => {
          await addresses.release(app, ip, signal);
          known.get(app)?.delete(ip);
        }),
      forget: () => void known.delete(app),
    };
  }

  return (app, work) => inTurn(app, () => work(of(app)));
}
