import { expect, test } from "bun:test";
import { mutex } from "./mutex.ts";

test("work of one key is done in order, one at a time, and a failure stops nobody", async () => {
  const inTurn = mutex();
  const told: string[] = [];
  const gate = Promise.withResolvers<void>();
  const first = inTurn("a", async () => {
    told.push("first begins");
    await gate.promise;
    told.push("first ends");
    throw new Error("failed");
  });
  const second = inTurn("a", async () => void told.push("second"));
  await inTurn("b", async () => void told.push("other key"));
  gate.resolve();

  expect(await first.catch((error: Error) => error.message)).toBe("failed");
  await second;
  expect(told).toEqual(["first begins", "other key", "first ends", "second"]);
});
