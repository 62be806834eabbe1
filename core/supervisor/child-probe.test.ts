import { expect, test } from "bun:test";
import { livedMs } from "./child-probe.ts";

const probe = { kind: "unix-socket", path: "/none" } as const;
const step = { what: "the API", probe: { kind: "https", url: "https://[::1]" } } as const;
const steps = { kind: "in-turn", steps: [step, step, step] } as const;

test.each([
  ["as usual", 5_010, 5_010],
  ["with a probe that waited to its end", 8_000, 8_000],
  ["on a host with a lot to do", 12_999, 12_999],
  ["with the clock put forward", 13_001, 8_000],
  ["over a night", 36_000_000, 8_000],
  ["with the clock put back", -3_600_000, 0],
])("between two probes %s: of %d ms a child has lived %d", (_, passedMs, counted) => {
  expect(livedMs({ probe, delayMs: 5_000, passedMs })).toBe(counted);
});

test("where several questions are asked, each has its time", () => {
  expect(livedMs({ probe: steps, delayMs: 250, passedMs: 14_000 })).toBe(14_000);
  expect(livedMs({ probe: steps, delayMs: 250, passedMs: 60_000 })).toBe(9_250);
});
