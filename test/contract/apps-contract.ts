import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type ContractWorld, codeOf, forever, type OpenWorld } from "./world.ts";

const TIMEOUT_MS = 60_000;

/** What every implementation of `Apps` promises. */
export function appsContract(
  name: string,
  open: OpenWorld,
  options: { readonly skip?: string | undefined } = {},
): void {
  if (options.skip !== undefined) {
    test.skip(`Apps, ${name}: ${options.skip}`, () => {});
    return;
  }
  describe(`Apps, ${name}`, () => {
    let world: ContractWorld;
    beforeAll(async () => {
      world = await open();
    }, TIMEOUT_MS);
    afterAll(() => world.close(), TIMEOUT_MS);

    test("an App is there once it was created, and a second create is no harm", async () => {
      const { apps, run } = world;
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

    test("destroying an App that never was is no harm", async () => {
      await world.apps.destroy(`never-${world.run}`, forever);
    });
  });
}
