import { expect, test } from "bun:test";
import { livedOn } from "./child-probe.ts";

const probe = { kind: "unix-socket", path: "/none" } as const;
const step = { what: "the API", probe: { kind: "https", url: "https://[::1]" } } as const;
const READY = { outcome: "ready" } as const;
const steps = { kind: "in-turn", steps: [step, step, step] } as const;

test.each([
  ["as usual", 5_010, 5_010],
  ["with a probe that waited to its end", 8_000, 8_000],
  ["on a host with a lot to do", 12_999, 12_999],
  ["with the clock put forward", 13_001, 8_000],
  ["over a night", 36_000_000, 8_000],
  ["with the clock put back", -3_600_000, 0],
])("between two probes %s: of %d ms a child has lived %d", (_, passedMs, counted) => {
  const gap = { probe, delayMs: 5_000, passedMs };
  const before = { ranMs: 100, silentMs: 10 };

  expect(livedOn(before, gap, { outcome: "silent", reason: "no socket" })).toEqual({
    ranMs: 100 + counted,
    silentMs: 10 + counted,
  });
  expect(livedOn(before, gap, { outcome: "unready", reason: "starting" })).toEqual({
    ranMs: 100 + counted,
    silentMs: 0,
  });
});

test("where several questions are asked, each has its time", () => {
  const born = { ranMs: 0, silentMs: 0 };
  const gap = { probe: steps, delayMs: 250 };

  expect(livedOn(born, { ...gap, passedMs: 14_000 }, READY).ranMs).toBe(14_000);
  expect(livedOn(born, { ...gap, passedMs: 60_000 }, READY).ranMs).toBe(9_250);
});
