import { expect, test } from "bun:test";
import { backoffAfter, backoffWhileRunning, NO_BACKOFF } from "./backoff.ts";

const afterDeaths = (ranMs: readonly number[], wasReady = true) =>
  ranMs.reduce((backoff, ms) => backoffAfter(backoff, { ranMs: ms, wasReady }), NO_BACKOFF);

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
  const life = { ranMs: 60_000, wasReady: true };
  expect(backoffWhileRunning(afterDeaths([1, 1, 1, 1]), life)).toBe(NO_BACKOFF);
});

test("however long it took, a life without readiness was none", () => {
  expect(afterDeaths([120_000, 120_000, 120_000, 120_000], false)).toMatchObject({
    deaths: 4,
    isCrashLoop: true,
  });
  const before = afterDeaths([1, 1]);
  expect(backoffWhileRunning(before, { ranMs: 120_000, wasReady: false })).toBe(before);
});
