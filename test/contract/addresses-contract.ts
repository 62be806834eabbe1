import { expect } from "bun:test";
import { canonicalIp } from "#core/fly/ip.ts";
import type { Addresses, AssignIp } from "#core/ports/addresses.ts";
import { type ContractOptions, it, suite } from "./suite.ts";
import { type ContractWorld, codeOf, forever } from "./world.ts";

/** A world with addresses in it. */
export type AddressesWorld = ContractWorld & {
  readonly addresses: Addresses;
  /** Whether the platform gives the very address it is asked for; Fly does not. */
  readonly givesWanted: boolean;
};

const FLYCAST: AssignIp = { type: "private_v6" };

/** What every implementation of `Addresses` promises. */
export function addressesContract(
  name: string,
  open: () => Promise<AddressesWorld>,
  options: ContractOptions = {},
): void {
  suite(`Addresses, ${name}`, open, options, (given) => {
    it("an address of a Service is listed until it is released", async () => {
      const { addresses, app } = given();
      const asked = { ...FLYCAST, service_name: "web" };
      const one = await addresses.assign(app, asked, forever);
      const other = await addresses.assign(app, asked, forever);

      expect(one.ip).toBe(canonicalIp(one.ip) ?? "");
      expect(one.ip).toStartWith("fdaa:");
      expect(other.ip).not.toBe(one.ip);
      const listed = await addresses.list(app, forever);
      expect(listed.find(({ ip }) => ip === one.ip)).toMatchObject({
        service_name: "web",
        shared: false,
      });

      for (const { ip } of [one, other, one]) await addresses.release(app, ip, forever);
      const left = (await addresses.list(app, forever)).map(({ ip }) => ip);
      expect(left).not.toContain(one.ip);
      expect(left).not.toContain(other.ip);
    });

    it("an address of a whole App names no Service", async () => {
      const { addresses, app } = given();
      const { ip, service_name } = await addresses.assign(app, FLYCAST, forever);
      expect(service_name).toBe("");
      await addresses.release(app, ip, forever);
    });

    it("the address that was asked for is given, or the answer tells", async () => {
      const { addresses, app, givesWanted } = given();
      const { ip } = await addresses.assign(app, FLYCAST, forever);
      await addresses.release(app, ip, forever);

      const again = await addresses.assign(app, { ...FLYCAST, ip }, forever);
      if (!givesWanted) return addresses.release(app, again.ip, forever);
      expect(again.ip).toBe(ip);
      expect(await codeOf(addresses.assign(app, { ...FLYCAST, ip }, forever))).toBe("Conflict");
      const far = { ...FLYCAST, ip: "fdaa:ffff:ffff:9::1" };
      expect(await codeOf(addresses.assign(app, far, forever))).toBe("InvalidInput");
      await addresses.release(app, ip, forever);
    });

    it("an App that is not there has no addresses, and releasing one of it is no harm", async () => {
      const { addresses, run } = given();
      const app = `never-${run}`;
      expect(await codeOf(addresses.list(app, forever))).toBe("NotFound");
      expect(await codeOf(addresses.assign(app, FLYCAST, forever))).toBe("NotFound");
      await addresses.release(app, "fdaa:1:2:0:1::2", forever);
    });

    it("an App takes its addresses with it", async () => {
      const { addresses, apps, run, givesWanted } = given();
      const app = `app-${run}-ips`;
      await apps.create(app, forever);
      const { ip } = await addresses.assign(app, FLYCAST, forever);
      await apps.destroy(app, forever);

      await apps.create(app, forever);
      expect(await addresses.list(app, forever)).toEqual([]);
      if (givesWanted) {
        expect((await addresses.assign(app, { ...FLYCAST, ip }, forever)).ip).toBe(ip);
      }
      await apps.destroy(app, forever);
    });
  });
}
