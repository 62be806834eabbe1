import { describe, expect, test } from "bun:test";
import { goDuration, KUBELET_BACK_OFF, longer, parseGoDuration } from "./back-off.ts";

test("the kubelet's back-off doubles from ten seconds up to five minutes", () => {
  const waits = [0, 1, 2, 3, 4, 5, 6].reduce<readonly number[]>(
    (so) => [...so, longer(KUBELET_BACK_OFF, so.at(-1) ?? 0)],
    [],
  );

  expect(waits.map(goDuration)).toEqual(["10s", "20s", "40s", "1m20s", "2m40s", "5m0s", "5m0s"]);
});

describe("durations as Go writes them", () => {
  test.each([
    ["1m30s", 90_000],
    ["250ms", 250],
    ["1.5s", 1_500],
    ["0s", 0],
    ["0", 0],
    ["1h0m1s", 3_601_000],
    ["10", undefined],
    ["", undefined],
    ["s", undefined],
    ["1 s", undefined],
  ])("%s", (text, ms) => {
    expect(parseGoDuration(text)).toBe(ms);
  });
});
