import { expect, test } from "bun:test";
import { join } from "node:path";

const PROGRAM = join(import.meta.dir, "../../test/programs/holds-addresses.ts");
/** Only root may make a network namespace of its own to try this in. */
const isRoot = process.getuid?.() === 0;

test.skipIf(!isRoot)("addresses are held, also after a predecessor was killed, and let go", () => {
  const { stdout, stderr } = Bun.spawnSync(["unshare", "--net", process.execPath, PROGRAM]);

  expect(stderr.toString()).toBe("");
  expect(JSON.parse(stdout.toString())).toEqual({ before: false, held: true, after: false });
});
