import { machineAddressFor, machineIpv4For } from "#core/fly/network.ts";
import { ApiError } from "./errors.ts";
import type { MachineAddress } from "./runtime/runtime.ts";

/** Serial numbers of Machines, and through them their addresses: none is given twice at a time. */
export interface Addresses {
  /** A serial whose two addresses no living Machine has. */
  take(): number;
  /** Marks the serial of a Machine that lives already. */
  hold(serial: number): void;
  free(serial: number): void;
  of(serial: number): MachineAddress;
}

/** Private IPv4 addresses are fewer than serials: they come round again. */
const MAX_TRIES = 20_000;

export function addressesOf(networkId: string, nextSerial: () => number): Addresses {
  const held = new Set<string>();
  const ipv4Of = (serial: number): string => machineIpv4For(networkId, serial);
  return {
    take() {
      for (let tries = 0; tries < MAX_TRIES; tries += 1) {
        const serial = nextSerial();
        if (!held.has(ipv4Of(serial))) {
          held.add(ipv4Of(serial));
          return serial;
        }
      }
      throw new ApiError(409, "aborted: insufficient IPs available to fulfill request");
    },
    hold: (serial) => void held.add(ipv4Of(serial)),
    free: (serial) => void held.delete(ipv4Of(serial)),
    of: (serial) => ({ ipv6: machineAddressFor(networkId, serial), ipv4: ipv4Of(serial) }),
  };
}
