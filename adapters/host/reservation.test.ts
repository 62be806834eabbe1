import { expect, test } from "bun:test";
import { join } from "node:path";
import { eventually } from "#test/e2e/process.ts";
import { reserve } from "./reservation.ts";

test("a name is one holder's until it is let go", async () => {
  const name = `fks-test/${crypto.randomUUID()}`;
  const letGo = await reserve(name);
  expect(letGo).toBeDefined();
  expect(await reserve(name)).toBeUndefined();
  expect(await reserve(`${name}/other`)).toBeDefined();

  letGo?.();
  expect(await reserve(name)).toBeDefined();
});

test("a killed holder has let go", async () => {
  const name = `fks-test/${crypto.randomUUID()}`;
  const program = `
    import { reserve } from "${join(import.meta.dir, "reservation.ts")}";
    console.log((await reserve("${name}")) !== undefined);
    setInterval(() => {}, 1_000);`;
  const holder = Bun.spawn([process.execPath, "-e", program], { stdout: "pipe" });
  const said = await holder.stdout.getReader().read();
  expect(new TextDecoder().decode(said.value)).toBe("true\n");
  expect(await reserve(name)).toBeUndefined();

  holder.kill("SIGKILL");
  await eventually("it is free", () => reserve(name));
});
