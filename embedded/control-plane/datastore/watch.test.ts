import { afterEach, expect, test } from "bun:test";
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fakeClock } from "#test/fakes/clock.ts";
import { eventually } from "#test/fakes/eventually.ts";
import { memoryLog } from "#test/fakes/log.ts";
import { MIB } from "./alarms.ts";
import { datastoreWatch } from "./watch.ts";

const LOCKED = 'time="2026-11-24T12:40:49Z" level=error msg="error in txn : database is locked"\n';
const stops: (() => void)[] = [];

afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});

function watched() {
  const folder = mkdtempSync(join(tmpdir(), "fks-watch-"));
  const database = join(folder, "state.db");
  const logPath = join(folder, "kine.log");
  writeFileSync(database, "12345");
  writeFileSync(logPath, LOCKED);
  const clock = fakeClock();
  const log = memoryLog();
  const watch = datastoreWatch({ database, logPath, clock, log });
  const scope = new AbortController();
  const end = watch.run(scope.signal);
  stops.push(() => {
    scope.abort();
    rmSync(folder, { recursive: true });
  });
  return { watch, database, logPath, clock, log, end, stop: () => scope.abort() };
}

test("what the log says from now on becomes an alarm, also after it was cut", async () => {
  const { watch, logPath, clock } = watched();
  expect(watch.report()).toMatchObject({ sizeBytes: 5, walBytes: 0, alarms: [] });

  appendFileSync(logPath, `all is well\n${LOCKED}`);
  clock.advance(10_000);
  await eventually(() => watch.report().alarms.length > 0);
  expect(watch.report().alarms).toEqual([
    {
      kind: "locked",
      severity: "serious",
      count: 1,
      lastAt: "1970-01-01T00:00:10.000Z",
      sentence: "its file was locked by somebody else for longer than it waits",
    },
  ]);

  truncateSync(logPath);
  appendFileSync(logPath, LOCKED);
  clock.advance(10_000);
  await eventually(() => watch.report().alarmCounts["locked"] === 2);
  clock.advance(600_000);
  expect(watch.report().alarms).toEqual([]);
  expect(watch.report().alarmCounts).toMatchObject({ locked: 2, "slow-sql": 0 });
});

test("a write-ahead log that grows and grows becomes one", async () => {
  const { watch, database, logPath, clock } = watched();
  // A sparse file: no disk is filled for this.
  writeFileSync(`${database}-wal`, "");
  appendFileSync(logPath, LOCKED);
  clock.advance(10_000);
  await eventually(() => watch.report().alarmCounts["locked"] === 1);
  truncateSync(`${database}-wal`, 300 * MIB);
  clock.advance(10_000);
  await eventually(() => watch.report().alarmCounts["wal-size"] === 1);

  expect(watch.report()).toMatchObject({ walBytes: 300 * MIB });
});

test("a log that cannot be read ends nothing, and is told of", async () => {
  const { watch, logPath, clock, log, stop, end } = watched();
  rmSync(logPath);
  mkdirSync(logPath);
  clock.advance(10_000);
  await eventually(() => log.lines.length > 0);
  expect(log.lines[0]?.[0]).toBe("cannot look at the datastore");

  expect(watch.report()).toMatchObject({ sizeBytes: 5 });
  stop();
  await end;
});
