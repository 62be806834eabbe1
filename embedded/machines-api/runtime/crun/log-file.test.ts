import { afterAll, expect, test } from "bun:test";
import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { hostClock } from "#adapters/host/clock.ts";
import { networkPlanFor } from "#core/fly/network.ts";
import { foldersFor } from "./folders.ts";
import { logStream } from "./logs.ts";

const top = mkdtempSync(`${tmpdir()}/fks-logs-`);
afterAll(() => rmSync(top, { recursive: true }));

const { signal } = new AbortController();
let count = 0;

/** A log that no conmon writes. */
function newLog() {
  count += 1;
  const path = mkdtempSync(`${top}/${count}-`);
  const files = { path, log: `${path}/log`, rotatedLog: `${path}/log.1` };
  const id = { machineId: "1", name: "app", attempt: 0 };
  const folder = { ...foldersFor(networkPlanFor("0a1b2c3d"), top).attempt(id), ...files };
  const state = { hasEnded: false };
  const source = { folder, hasEnded: () => state.hasEnded, clock: hostClock() };
  return { folder, state, source };
}

const lines = (from: number, to: number): string =>
  Array.from(
    { length: to - from + 1 },
    (_, n) => `2026-01-02T03:04:05.000000001+00:00 stdout F ${from + n}\n`,
  ).join("");

test("the tail of a long log goes on in the old file", async () => {
  const { folder, source } = newLog();
  writeFileSync(folder.rotatedLog, lines(1, 20_000));
  writeFileSync(folder.log, lines(20_001, 20_003));

  const text = await new Response(await logStream(source, { tailLines: 5 }, signal)).text();

  expect(text).toBe("19999\n20000\n20001\n20002\n20003\n");
  const all = await new Response(await logStream(source, {}, signal)).text();
  expect(all.split("\n")).toHaveLength(20_004);
});

test("a follower loses nothing when the log is moved aside under it", async () => {
  const { folder, state, source } = newLog();
  writeFileSync(folder.log, lines(1, 3));
  const stream = await logStream(source, { follow: true }, signal);
  const text = new Response(stream).text();
  await Bun.sleep(20);

  renameSync(folder.log, folder.rotatedLog);
  appendFileSync(folder.rotatedLog, lines(4, 5));
  writeFileSync(folder.log, lines(6, 7));
  await Bun.sleep(20);
  state.hasEnded = true;
  appendFileSync(folder.log, lines(8, 8));

  expect(await text).toBe("1\n2\n3\n4\n5\n6\n7\n8\n");
});

test("a follower loses nothing when the log is moved aside twice before it comes back", async () => {
  const { folder, state, source } = newLog();
  writeFileSync(folder.log, lines(1, 5_000));
  const stream = await logStream(source, { follow: true }, signal);
  const reader = stream.getReader();
  const first = await reader.read();

  for (const from of [5_001, 5_003]) {
    renameSync(folder.log, folder.rotatedLog);
    writeFileSync(folder.log, lines(from, from + 1));
  }
  state.hasEnded = true;
  let text = Buffer.from(first.value ?? []).toString();
  for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) {
    text += Buffer.from(value ?? []).toString();
  }

  expect(text).toBe(Array.from({ length: 5_004 }, (_, n) => `${n + 1}\n`).join(""));
});

test("a follower ends with its signal, and with its reader", async () => {
  const { folder, source } = newLog();
  writeFileSync(folder.log, lines(1, 1));
  const stop = new AbortController();
  const aborted = new Response(await logStream(source, { follow: true }, stop.signal))
    .text()
    .catch(String);
  stop.abort(new Error("no more"));
  const reader = (await logStream(source, { follow: true }, signal)).getReader();
  const first = await reader.read();
  const second = reader.read();

  await reader.cancel();

  expect(Buffer.from(first.value ?? []).toString()).toBe("1\n");
  expect((await second).done).toBe(true);
  expect(await aborted).toBe("Error: no more");
});

test("a time that is none is refused", async () => {
  const { folder, source } = newLog();
  writeFileSync(folder.log, "");

  const error = await logStream(source, { sinceTime: "yesterday" }, signal).catch(String);

  expect(error).toContain("not a time: yesterday");
});
