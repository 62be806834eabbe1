import { expect, test } from "bun:test";
import { aborted } from "#core/aborted.ts";
import { together } from "./together.ts";

test("a part that fails stops the others, and its reason is told", async () => {
  let hasEnded = false;
  const running = together(
    [
      async (signal) => {
        await aborted(signal);
        hasEnded = true;
      },
      () => Promise.reject(new Error("the port is taken")),
    ],
    new AbortController().signal,
  );
  expect(await running.catch((error: unknown) => error)).toEqual(new Error("the port is taken"));
  expect(hasEnded).toBe(true);
});

test("being told to stop is no failure", async () => {
  const stop = new AbortController();
  const running = together([aborted, aborted], stop.signal);
  stop.abort(new Error("enough"));
  await running;
});
