import { expect, test } from "bun:test";
import { backoffAfter, backoffWhileRunning, NO_BACKOFF } from "./backoff.ts";

const afterDeaths = (ranMs: readonly number[]) => ranMs.reduce(backoffAfter, NO_BACKOFF);

test("each early death doubles the wait, up to half a minute", () => {
  const delays = Array.from({ length: 10 }, (_, n) => afterDeaths(Array(n + 1).fill(5)).delayMs);

  expect(delays).toEqual([250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
});

test("four early deaths in a row are a crash loop, until one life was long", () => {
  expect(afterDeaths([1, 1, 1]).isCrashLoop).toBe(false);
  expect(afterDeaths([1, 1, 1, 1]).isCrashLoop).toBe(true);
  expect(afterDeaths([1, 1, 1, 1, 60_000])).toEqual({
    deaths: 1,
    delayMs: 250,
    isCrashLoop: false,
  });
  expect(backoffWhileRunning(afterDeaths([1, 1, 1, 1]), 60_000)).toBe(NO_BACKOFF);
});
