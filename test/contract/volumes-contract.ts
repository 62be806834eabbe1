import { expect } from "bun:test";
import type { CreateVolume, Volumes } from "#core/ports/volumes.ts";
import { type ContractOptions, it, suite } from "./suite.ts";
import { type ContractWorld, codeOf, configOf, eventually, forever, launch } from "./world.ts";

/** A world with volumes in it. */
export type VolumesWorld = ContractWorld & { readonly volumes: Volumes };

/** What every implementation of `Volumes` promises. */
export function volumesContract(
  name: string,
  open: () => Promise<VolumesWorld>,
  options: ContractOptions = {},
): void {
  suite(`Volumes, ${name}`, open, options, (given) => {
    const asked = (): CreateVolume => ({ name: "data", region: given().region, size_gb: 1 });

    it("a volume is listed until it is destroyed, and a name may have several", async () => {
      const { volumes, app, region } = given();
      const one = await volumes.create(app, asked(), forever);
      const other = await volumes.create(app, asked(), forever);
      expect(one).toMatchObject({ name: "data", region, size_gb: 1 });
      expect(one.id).toStartWith("vol_");
      expect(other.id).not.toBe(one.id);

      const ids = async () => (await volumes.list(app, forever)).map(({ id }) => id);
      expect(await ids()).toEqual(expect.arrayContaining([one.id, other.id]));
      expect((await volumes.get(app, one.id, forever)).name).toBe("data");

      for (const id of [one.id, other.id, one.id]) await volumes.destroy(app, id, forever);
      expect(await ids()).not.toContain(one.id);
      expect(await codeOf(volumes.get(app, one.id, forever))).toBe("NotFound");
    });

    it("it grows, and never shrinks", async () => {
      const { volumes, app } = given();
      const { id } = await volumes.create(app, asked(), forever);
      const { volume, needsRestart } = await volumes.extend(app, id, 2, forever);
      expect([volume.size_gb, needsRestart]).toEqual([2, false]);
      expect(await codeOf(volumes.extend(app, id, 1, forever))).toBe("InvalidInput");
      expect((await volumes.get(app, id, forever)).size_gb).toBe(2);
      await volumes.destroy(app, id, forever);
    });

    it("one Machine has it at a time, and while it does nobody can destroy it", async () => {
      const world = given();
      const { volumes, machines, app } = world;
      const { id: volume } = await volumes.create(app, asked(), forever);
      const config = configOf(world, {}, { mounts: [{ volume, path: "/data" }] });
      const machine = await launch(world, config);
      expect((await volumes.get(app, volume, forever)).attached_machine_id).toBe(machine.id);
      expect(await codeOf(launch(world, config))).toBe("Conflict");
      expect(await codeOf(volumes.destroy(app, volume, forever))).toBe("Conflict");

      await machines.destroy(app, machine.id, true, forever);
      await eventually(async () => {
        const left = await volumes.get(app, volume, forever);
        return left.attached_machine_id === undefined ? true : undefined;
      });
      await eventually(() =>
        volumes.destroy(app, volume, forever).then(
          () => true,
          () => undefined,
        ),
      );
    });

    it("nothing of an App that is not there", async () => {
      const { volumes, run } = given();
      const app = `never-${run}`;
      expect(await codeOf(volumes.list(app, forever))).toBe("NotFound");
      expect(await codeOf(volumes.create(app, asked(), forever))).toBe("NotFound");
      await volumes.destroy(app, "vol_0", forever);
    });

    it("a name or a size that cannot be is InvalidInput", async () => {
      const { volumes, app } = given();
      for (const wrong of [{ name: "my-data" }, { size_gb: 501 }]) {
        const request = { ...asked(), ...wrong };
        expect(await codeOf(volumes.create(app, request, forever))).toBe("InvalidInput");
      }
    });
  });
}
