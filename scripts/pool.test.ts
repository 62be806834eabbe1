import { expect, test } from "bun:test";
import { inPool } from "./pool.ts";

test("all is done in order, never more at a time than there is room for", async () => {
  const started: number[] = [];
  let busy = 0;
  let most = 0;
  const results = await inPool([5, 1, 3, 2, 4], 2, async (item) => {
    started.push(item);
    busy += 1;
    most = Math.max(most, busy);
    for (let turn = 0; turn < item; turn += 1) await Promise.resolve();
    busy -= 1;
    return item * 10;
  });
  expect(results).toEqual([50, 10, 30, 20, 40]);
  expect(started).toEqual([5, 1, 3, 2, 4]);
  expect(most).toBe(2);
});

test("a failure is the caller's", async () => {
  const failing = inPool([1, 2], 1, async () => {
    throw new Error("no");
  });
  expect(await failing.catch((error) => error.message)).toBe("no");
});
