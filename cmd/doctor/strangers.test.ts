import { afterEach, expect, test } from "bun:test";
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { StatusReport } from "#core/status/report.ts";
import { CLUSTER } from "#test/fixtures/cluster.ts";
import { reportWith } from "#test/fixtures/status-report.ts";
import { type DataPaths, dataPathsFor } from "../paths.ts";
import { strangersCheck } from "./strangers.ts";

const forever = new AbortController().signal;
const ends: (() => void)[] = [];

afterEach(() => {
  for (const end of ends.splice(0)) end();
});

function dataDir(): DataPaths {
  const folder = mkdtempSync(join(tmpdir(), "fks-doctor-"));
  ends.push(() => rmSync(folder, { recursive: true }));
  const paths = dataPathsFor(folder);
  for (const needed of [dirname(paths.kineDatabase), paths.logs]) mkdirSync(needed);
  writeFileSync(paths.kineDatabase, "");
  return paths;
}

/** A process that has the datastore open for writing and says its words into `output`. */
function writer(paths: DataPaths, output: string): number {
  const stdio = [openSync(paths.kineDatabase, "a"), openSync(output, "a")] as const;
  const child = Bun.spawn(["sleep", "60"], { stdin: stdio[0], stdout: stdio[1] });
  ends.push(() => child.kill("SIGKILL"));
  for (const fd of stdio) closeSync(fd);
  return child.pid;
}

async function seen(paths: DataPaths, status?: StatusReport) {
  const check = strangersCheck({ paths, cluster: CLUSTER, status: Promise.resolve(status) });
  return check.look(forever);
}

test("somebody else who writes to the datastore is named", async () => {
  const paths = dataDir();
  expect(await seen(paths)).toEqual({ outcome: "ok", observed: "nobody else" });

  const pid = writer(paths, "/dev/null");
  for (const status of [undefined, reportWith()]) {
    expect(await seen(paths, status)).toEqual({
      outcome: "failed",
      observed: `process ${pid} (sleep 60)`,
    });
  }
});

test("a child of ours is a leftover only while no serve runs, and the next one ends it", async () => {
  const paths = dataDir();
  const pid = writer(paths, join(paths.logs, "kine.log"));

  expect(await seen(paths, reportWith())).toMatchObject({ outcome: "ok" });
  expect(await seen(paths)).toEqual({
    outcome: "failed",
    observed: `process ${pid} (sleep 60), left by a serve that was killed`,
    remedy: "start fks-node serve, which ends it",
  });
});

test("before the first serve there is nothing to write to", async () => {
  const paths = dataPathsFor("/nowhere");
  const check = strangersCheck({ paths, cluster: undefined, status: Promise.resolve(undefined) });

  expect(await check.look(forever)).toMatchObject({ outcome: "skipped" });
});
