import { expect, test } from "bun:test";
import { turns } from "./turns.ts";

test("work of one key waits for what came before, also when that failed; other keys do not", async () => {
  const story: string[] = [];
  const inTurn = turns();
  const first = Promise.withResolvers<void>();

  const one = inTurn("a", async () => {
    story.push("a1");
    await first.promise;
    story.push("a1 ends");
    throw new Error("lost");
  });
  const two = inTurn("a", async () => {
    story.push("a2");
    return 2;
  });
  await inTurn("b", async () => {
    story.push("b");
  });
  first.resolve();

  expect(await one.catch((error: unknown) => String(error))).toBe("Error: lost");
  expect(await two).toBe(2);
  expect(await inTurn("a", async () => 3)).toBe(3);
  expect(story).toEqual(["a1", "b", "a1 ends", "a2"]);
});
