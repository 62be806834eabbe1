import { expect, test } from "bun:test";
import pc from "picocolors";
import { statusText } from "./status-text.ts";

const REPORT = {
  version: "1",
  cluster: {
    name: "local",
    networkId: "00c0ffee",
    machines: "embedded",
    runtime: "crun",
    dataDir: "/var/lib/fks-node",
    api: "https://[fdaa::1]:6443",
  },
  startedAt: "2026-11-24T00:00:00.000Z",
  uptimeSeconds: 300,
  ready: false,
  unready: [{ name: "dns", reason: "port 53 is taken" }],
  parts: [
    {
      name: "apiserver",
      state: "running",
      ready: true,
      pid: 7,
      startedAt: "2026-11-24T00:00:00.000Z",
      restarts: 0,
      isCrashLoop: false,
    },
    {
      name: "dns",
      state: "waiting",
      ready: false,
      reason: "port 53 is taken",
      restarts: 1,
      isCrashLoop: false,
    },
  ],
  nodes: [{ name: "local-a", ready: true }],
  pods: 2,
  machines: { started: 3, stopped: 0, created: 1 },
} as const;

test("status shows the whole in one line, then each part", () => {
  const nowMs = Date.parse("2026-11-24T00:05:00Z");

  expect(statusText(REPORT, nowMs, pc.createColors(false))).toBe(
    `local is not ready: dns
API https://[fdaa::1]:6443, Machines embedded, data in /var/lib/fks-node

  ✓ apiserver       for 5m, pid 7
  ✗ dns             waiting, port 53 is taken, died 1 time
  ✓ Node local-a    Ready

Pods: 2
Machines: 3 started, 1 created
`,
  );
});
