import { expect, test } from "bun:test";
import type { ChildReport } from "../supervisor/child-report.ts";
import { statusReportFor } from "./report.ts";

const CLUSTER = {
  name: "local",
  networkId: "00c0ffee",
  machines: "embedded",
  runtime: "crun",
  dataDir: "/var/lib/fks-node",
  api: "https://[fdaa::1]:6443",
} as const;

const READY: ChildReport = {
  name: "kine",
  state: "running",
  ready: true,
  pid: 7,
  startedAtMs: 1_000,
  readyAfterMs: 300,
  restarts: 0,
  isCrashLoop: false,
};

function reportOf(...children: readonly ChildReport[]) {
  return statusReportFor({
    version: "1.2.3",
    cluster: CLUSTER,
    controlPlane: undefined,
    datastore: undefined,
    startedAtMs: 0,
    nowMs: 61_500,
    children,
    nodes: [{ name: "local-a", ready: true }],
    pods: 2,
    machines: { started: 3 },
  });
}

test("all is well when every part is ready", () => {
  expect(reportOf(READY)).toMatchObject({
    ready: true,
    unready: [],
    uptimeSeconds: 61,
    parts: [{ name: "kine", pid: 7, startedAt: "1970-01-01T00:00:01.000Z" }],
    pods: 2,
    machines: { started: 3 },
  });
});

test("a part that keeps dying is named with its reason, its last end and its next start", () => {
  const { ready, unready, parts } = reportOf(READY, {
    name: "dns",
    state: "waiting",
    ready: false,
    reason: "port 53 is taken",
    restarts: 5,
    isCrashLoop: true,
    lastExit: { exitCode: 4, atMs: 60_000 },
    nextStartAtMs: 70_000,
  });

  expect(ready).toBe(false);
  expect(unready).toEqual([{ name: "dns", reason: "keeps dying: port 53 is taken" }]);
  expect(parts[1]).toMatchObject({
    lastExit: "exited with 4 at 1970-01-01T00:01:00.000Z",
    nextStartAt: "1970-01-01T00:01:10.000Z",
  });
});
