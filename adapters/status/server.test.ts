import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FksError } from "#core/errors.ts";
import { onAnyPort } from "#core/ports/listen.ts";
import { statusReportFor, type UnreadyPart } from "#core/status/report.ts";
import { fakeClock } from "#test/fakes/clock.ts";
import { readStatus } from "./client.ts";
import { ownMetrics } from "./own-metrics.ts";
import { roleClient } from "./role-client.ts";
import { serveStatus } from "./server.ts";

const CLUSTER = {
  name: "local",
  networkId: "00c0ffee",
  machines: "embedded",
  runtime: "none",
  dataDir: "/tmp/x",
  api: "https://[fdaa::1]:6443",
} as const;

const CONTROL_PLANE = {
  engine: "k3s",
  version: "v1.36.4+k3s1",
  program: "/usr/local/bin/k3s",
  proof: "proven against K3s' documented contract only",
} as const;

const DATASTORE = {
  sizeBytes: 4_096,
  walBytes: 100,
  alarms: [
    {
      kind: "slow-sql",
      severity: "note",
      count: 2,
      lastAt: "2026-11-24T00:00:00.000Z",
      sentence: "statements took 1 s or longer",
    },
  ],
  alarmCounts: { "slow-sql": 2, "disk-full": 0 },
} as const;

const forever = new AbortController().signal;
const stops: (() => void)[] = [];

afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});

function served(unready: readonly UnreadyPart[] = []) {
  const folder = mkdtempSync(join(tmpdir(), "fks-status-"));
  const scope = new AbortController();
  stops.push(() => {
    scope.abort();
    rmSync(folder, { recursive: true });
  });
  const socketPath = join(folder, "status.sock");
  const { url } = serveStatus(
    {
      socketPath,
      listen: onAnyPort,
      token: "s3cr3t",
      unready: () => unready,
      report: async () =>
        statusReportFor({
          version: "1",
          cluster: CLUSTER,
          controlPlane: CONTROL_PLANE,
          datastore: DATASTORE,
          startedAtMs: 0,
          nowMs: 5_000,
          children: [],
          nodes: [],
          pods: undefined,
          machines: undefined,
        }),
      metrics: async () => "up 1\n",
    },
    scope.signal,
  );
  return { url, socketPath, scope };
}

test("the socket is its owner's and asks for no token", async () => {
  const { socketPath } = served();
  expect(statSync(socketPath).mode & 0o777).toBe(0o600);

  const report = await readStatus(socketPath, fakeClock(), forever);
  expect(report).toMatchObject({
    ready: true,
    uptimeSeconds: 5,
    cluster: CLUSTER,
    controlPlane: CONTROL_PLANE,
    datastore: DATASTORE,
  });
});

test("on loopback nothing is told without the token", async () => {
  const { url } = served();
  for (const path of ["/healthz", "/readyz", "/metrics", "/api/v1/status", "/nothing"]) {
    expect((await fetch(`${url}${path}`)).status).toBe(401);
    const wrong = await fetch(`${url}${path}`, { headers: { authorization: "Bearer s3cr3u" } });
    expect(wrong.status).toBe(401);
  }
  const right = await fetch(`${url}/metrics`, { headers: { authorization: "Bearer s3cr3t" } });
  expect(await right.text()).toBe("up 1\n");
  expect(url).toStartWith("http://127.0.0.1:");
});

test("readyz names who is not ready and why", async () => {
  const { socketPath } = served([{ name: "dns", reason: "port 53 is taken" }]);
  const response = await fetch("http://status/readyz", { unix: socketPath });

  expect(response.status).toBe(503);
  expect(await response.json()).toEqual({
    ready: false,
    unready: [{ name: "dns", reason: "port 53 is taken" }],
  });
});

test("where no serve runs, the client says so", async () => {
  const { socketPath, scope } = served();
  scope.abort();
  const failed = await readStatus(socketPath, fakeClock(), forever).catch(
    (error: unknown) => error,
  );

  expect(FksError.is(failed, "Unavailable")).toBe(true);
});

test("a role that does not answer has nothing to tell", async () => {
  const client = roleClient(fakeClock());

  expect(await client.metrics("/nowhere.sock", forever)).toBe("");
  expect(await client.details("/nowhere.sock", forever)).toBeUndefined();
});

test("own metrics tell of each child", async () => {
  const child = { name: "kine", state: "running", isCrashLoop: false } as const;
  const text = await ownMetrics({
    version: "1.2.3",
    children: () => [{ ...child, ready: true, restarts: 2 }],
    datastore: () => undefined,
  }).text();

  expect(text).toContain('fks_child_ready{name="kine"} 1');
  expect(text).toContain('fks_child_restarts{name="kine"} 2');
  expect(text).toContain('fks_build_info{version="1.2.3"} 1');
  expect(text).not.toMatch(/^fks_datastore/m);
});

test("own metrics tell of the datastore, alarms that never were there too", async () => {
  const metrics = ownMetrics({
    version: "1.2.3",
    children: () => [],
    datastore: () => DATASTORE,
  });
  // Asking again counts nothing twice.
  await metrics.text();
  const text = await metrics.text();

  expect(text).toContain("fks_datastore_size_bytes 4096");
  expect(text).toContain("fks_datastore_wal_bytes 100");
  expect(text).toContain('fks_datastore_alarms_total{kind="slow-sql"} 2');
  expect(text).toContain('fks_datastore_alarms_total{kind="disk-full"} 0');
});
