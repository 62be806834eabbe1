import { expect, test } from "bun:test";
import type { LogOptions } from "#core/fly/machine-protocol.ts";
import { fakeClock } from "#test/fakes/clock.ts";
import { memoryLog } from "#test/fakes/log.ts";
import { lastWords } from "./last-words.ts";

const forever = new AbortController().signal;
const id = { machineId: "0a0b0c0d0e0f01", name: "app", attempt: 0 };

interface Given {
  readonly file?: string;
  readonly log?: string;
  readonly exitCode?: number;
  readonly fallsBackToLogs?: boolean;
}

async function wordsOf({ file = "", log = "", exitCode = 1, fallsBackToLogs = true }: Given) {
  const asked: LogOptions[] = [];
  const runtime = {
    terminationMessage: () => Promise.resolve(file),
    logs: (_id: unknown, options: LogOptions) => {
      asked.push(options);
      return Promise.resolve(new Blob([log]).stream());
    },
  };
  const exit = { id, exitCode, oomKilled: false, atMs: 0 };
  const sources = { runtime, clock: fakeClock(), log: memoryLog() };
  const path = "/dev/termination-log";
  const words = await lastWords(sources, exit, { path, fallsBackToLogs }, forever);
  return { words, asked };
}

test("the termination file wins, whatever the exit code", async () => {
  expect(await wordsOf({ file: "done", exitCode: 0 })).toEqual({ words: "done", asked: [] });
  expect((await wordsOf({ file: "no", log: "log" })).words).toBe("no");
});

test("the end of the log is taken where that is wanted, the container failed and said nothing", async () => {
  const log = `${"x".repeat(3_000)}end\n`;
  const { words, asked } = await wordsOf({ log });
  expect(words).toBe(log.slice(-2_048));
  expect(asked).toEqual([{ tailLines: 80 }]);

  expect((await wordsOf({ log, exitCode: 0 })).words).toBe("");
  expect((await wordsOf({ log, fallsBackToLogs: false })).words).toBe("");
});

test("what cannot be read holds up no end", async () => {
  const clock = fakeClock();
  const runtime = {
    terminationMessage: (_id: unknown, signal: AbortSignal) =>
      new Promise<string>((_resolve, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      }),
    logs: () => Promise.reject(new Error("no log")),
  };
  const exit = { id, exitCode: 1, oomKilled: false, atMs: 0 };
  const sources = { runtime, clock, log: memoryLog() };
  const words = lastWords(sources, exit, { path: "/x", fallsBackToLogs: true }, forever);
  clock.advance(2_000);

  expect(await words).toBe("");
});
