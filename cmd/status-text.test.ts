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

test("the engine stands beside the API, the datastore's alarms below its sizes", () => {
  const report = {
    ...REPORT,
    controlPlane: {
      engine: "k3s",
      version: "v1.36.4+k3s1",
      program: "/usr/local/bin/k3s",
      proof: "proven against K3s' documented contract only",
    },
    datastore: {
      sizeBytes: 1_048_576,
      walBytes: 4_152_992,
      alarms: [
        {
          kind: "slow-sql",
          severity: "note",
          count: 3,
          lastAt: "2026-11-24T00:04:48.000Z",
          sentence: "statements took 1 s or longer",
        },
        {
          kind: "disk-full",
          severity: "serious",
          count: 1,
          lastAt: "2026-11-24T00:00:00.000Z",
          sentence: "there was no space left to write to",
        },
      ],
      alarmCounts: { "slow-sql": 3, "disk-full": 1 },
    },
  } as const;
  const colors = { ...pc.createColors(false), red: tagged("red"), yellow: tagged("yellow") };
  const lines = statusText(report, Date.parse("2026-11-24T00:05:00Z"), colors).split("\n");

  expect(lines[1]).toBe(
    "API https://[fdaa::1]:6443 (k3s v1.36.4+k3s1), Machines embedded, data in /var/lib/fks-node",
  );
  expect(lines.slice(7, 12)).toEqual([
    "Datastore: 1.0 MiB, write-ahead log 4.0 MiB",
    "  <yellow>!</yellow> <yellow>slow-sql</yellow>: statements took 1 s or longer (3 times, last 12s ago)",
    "  <red>✗</red> <red>disk-full</red>: there was no space left to write to (once, last 5m ago)",
    "Pods: 2",
    "Machines: 3 started, 1 created",
  ]);
});

function tagged(name: string) {
  return (text: string): string => `<${name}>${text}</${name}>`;
}
