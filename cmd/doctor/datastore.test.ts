import { Database } from "bun:sqlite";
import { afterEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { DatastoreReport } from "#core/status/report.ts";
import { CLUSTER } from "#test/fixtures/cluster.ts";
import { reportWith } from "#test/fixtures/status-report.ts";
import { dataPathsFor } from "../paths.ts";
import { datastoreCheck } from "./datastore.ts";

const forever = new AbortController().signal;
const folders: string[] = [];

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

function seen(datastore: DatastoreReport) {
  const status = Promise.resolve(reportWith({ datastore }));
  return datastoreCheck({ paths: dataPathsFor("/x"), cluster: CLUSTER, status }).look(forever);
}

const WELL: DatastoreReport = { sizeBytes: 4_096, walBytes: 0, alarms: [], alarmCounts: {} };
const SLOW = {
  kind: "slow-sql",
  severity: "note",
  count: 3,
  lastAt: "2026-11-24T00:00:00.000Z",
  sentence: "statements took 1 s or longer",
} as const;

test("a note is told, and nothing has failed", async () => {
  expect(await seen(WELL)).toEqual({ outcome: "ok", observed: "4.0 KiB, write-ahead log 0 B" });
  expect(await seen({ ...WELL, alarms: [SLOW] })).toEqual({
    outcome: "ok",
    observed:
      "4.0 KiB, write-ahead log 0 B; slow-sql: statements took 1 s or longer (3 times, last at 2026-11-24T00:00:00.000Z)",
  });
});

test("a serious alarm has failed, with what to do about it", async () => {
  const full = { ...SLOW, kind: "disk-full", severity: "serious", count: 1 } as const;
  const observation = await seen({ ...WELL, alarms: [SLOW, full] });

  expect(observation).toMatchObject({
    outcome: "failed",
    remedy: expect.stringContaining("make room"),
  });
});

test("without serve its file is looked at, on either engine", async () => {
  for (const engine of ["upstream", "k3s"] as const) {
    const folder = mkdtempSync(join(tmpdir(), "fks-doctor-"));
    folders.push(folder);
    const paths = dataPathsFor(folder);
    const database = engine === "k3s" ? join(paths.k3s, "server/db/state.db") : paths.kineDatabase;
    const check = datastoreCheck({
      paths,
      cluster: { ...CLUSTER, engine },
      status: Promise.resolve(undefined),
    });
    expect(await check.look(forever)).toMatchObject({ outcome: "skipped" });

    mkdirSync(dirname(database), { recursive: true });
    using store = new Database(database);
    store.run("CREATE TABLE kine (id INTEGER)");
    expect(await check.look(forever)).toMatchObject({ outcome: "ok" });

    writeFileSync(database, "no database at all");
    expect(await check.look(forever)).toEqual({
      outcome: "failed",
      observed: `${database} is damaged: file is not a database`,
    });
  }
});

test("before the first serve there is none", async () => {
  const check = datastoreCheck({
    paths: dataPathsFor("/x"),
    cluster: undefined,
    status: Promise.resolve(undefined),
  });

  expect(await check.look(forever)).toEqual({ outcome: "skipped", observed: "there is none yet" });
});
