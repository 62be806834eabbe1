import { expect, test } from "bun:test";
import type { ChildReport } from "#core/supervisor/child-report.ts";
import { newsOf } from "./child-news.ts";

const STARTING: ChildReport = {
  name: "kubelet",
  state: "starting",
  ready: false,
  restarts: 0,
  isCrashLoop: false,
};
const WAITING: ChildReport = {
  ...STARTING,
  state: "waiting",
  reason: "exited with 1",
  restarts: 4,
  isCrashLoop: true,
  lastExit: { exitCode: 1, atMs: 1_000 },
  nextStartAtMs: 3_000,
};

test("a person hears when a child is ready, and when it died and where to read about it", () => {
  const running: ChildReport = { ...STARTING, state: "running", ready: true, readyAfterMs: 1_234 };

  expect(newsOf(STARTING, running, "x.log")?.text).toBe("kubelet is ready after 1.2 s");
  expect(newsOf(STARTING, WAITING, "/logs/kubelet.log")?.text).toBe(
    "kubelet keeps dying: exited with 1; starts again in 2.0 s; its log: /logs/kubelet.log",
  );
  expect(newsOf(running, { ...running, ready: false }, "x.log")).toBeUndefined();
  expect(newsOf(WAITING, WAITING, "x.log")).toBeUndefined();
});
