import { afterEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostClock } from "#adapters/host/clock.ts";
import { logKeeper } from "./kept-logs.ts";

const MIB = 1024 * 1024;
const clock = hostClock();
const { signal } = new AbortController();
const folder = mkdtempSync(join(tmpdir(), "fks-kept-logs-"));

afterEach(() => rmSync(folder, { recursive: true, force: true }));

let serial = 0;

/** A start of a container that wrote `text`, its log made longer to `bytes`. */
function attemptOf(machineId: string, attempt: number, text: string, bytes?: number) {
  serial += 1;
  const path = join(folder, `m/${serial}`);
  mkdirSync(path, { recursive: true });
  const log = join(path, "log");
  writeFileSync(log, `2026-01-01T00:00:00.000000000+00:00 stdout F ${text}\n`);
  if (bytes !== undefined) truncateSync(log, bytes);
  return { id: { machineId, name: "app", attempt }, folder: { log, rotatedLog: `${log}.1` } };
}

test("the last start and the one before are read, also by the next process", async () => {
  const kept = join(folder, "kept");
  const attempts = [attemptOf("a", 9, "before"), attemptOf("a", 10, "last")];
  await logKeeper(kept, clock).keep("a", attempts);
  // Removed twice, after a crash in between.
  await logKeeper(kept, clock).keep("a", attempts);

  const again = logKeeper(kept, clock);
  const text = async (previous: boolean): Promise<string> =>
    new Response(await again.read("a", "app", { previous }, signal)).text();
  expect([await text(true), await text(false)]).toEqual(["before\n", "last\n"]);
});

test("of too many Machines, and of too many bytes, the oldest go", async () => {
  const kept = join(folder, "kept");
  const keeper = logKeeper(kept, clock);
  for (let at = 0; at < 205; at += 1) await keeper.keep(`m${at}`, [attemptOf(`m${at}`, 0, "x")]);
  expect((await keeper.list(signal)).at(0)).toBe("m5");
  expect(readdirSync(kept)).toHaveLength(200);

  await keeper.keep("big", [attemptOf("big", 0, "x", 200 * MIB)]);
  await keeper.keep("bigger", [attemptOf("bigger", 0, "x", 250 * MIB)]);
  expect(await keeper.list(signal)).toEqual(["bigger"]);
  expect(readdirSync(kept)).toEqual(["bigger"]);
});
