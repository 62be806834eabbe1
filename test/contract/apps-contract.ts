import { expect } from "bun:test";
import { type ContractOptions, it, suite } from "./suite.ts";
import { codeOf, forever, type OpenWorld } from "./world.ts";

/** What every implementation of `Apps` promises. */
export function appsContract(name: string, open: OpenWorld, options: ContractOptions = {}): void {
  suite(`Apps, ${name}`, open, options, (given) => {
    it("an App is there once it was created, and a second create is no harm", async () => {
      const { apps, run } = given();
      const app = `app-${run}`;
      expect(await codeOf(apps.get(app, forever))).toBe("NotFound");

      expect((await apps.create(app, forever)).name).toBe(app);
      expect((await apps.create(app, forever)).name).toBe(app);
      expect((await apps.get(app, forever)).name).toBe(app);
      expect((await apps.list(forever)).map(({ name: listed }) => listed)).toContain(app);

      await apps.destroy(app, forever);
      await apps.destroy(app, forever);
      expect(await codeOf(apps.get(app, forever))).toBe("NotFound");
    });

    it("destroying an App that never was is no harm", async () => {
      const { apps, run } = given();
      await apps.destroy(`never-${run}`, forever);
    });
  });
}
