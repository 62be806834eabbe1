import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostClock } from "#adapters/host/clock.ts";
import { fileLock } from "./file-lock.ts";

const never = new AbortController().signal;
let folder = "";

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fks-lock-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

test("an exclusive holder is alone, whoever asks", async () => {
  const file = join(folder, "lock");
  const [one, two] = [fileLock(file, hostClock()), fileLock(file, hostClock())];
  let inside = 0;
  const work = async (): Promise<void> => {
    inside += 1;
    await Bun.sleep(1);
    expect(inside).toBe(1);
    inside -= 1;
  };

  await Promise.all([one, two, one, two].map((lock) => lock.hold("exclusive", work, never)));
});

test("shared holders do not wait for each other, and who wants it alone does not get it", async () => {
  const lock = fileLock(join(folder, "lock"), hostClock());

  await lock.hold(
    "shared",
    () =>
      lock.hold(
        "shared",
        async () => {
          expect(await lock.holdIfFree(() => Promise.resolve())).toBe(false);
        },
        never,
      ),
    never,
  );

  expect(await lock.holdIfFree(() => Promise.resolve())).toBe(true);
});

test("who waits for the lock can be called off", async () => {
  const lock = fileLock(join(folder, "lock"), hostClock());
  const stop = new AbortController();

  await lock.hold(
    "shared",
    async () => {
      const waiting = lock.hold("exclusive", () => Promise.resolve(), stop.signal);
      stop.abort(new Error("called off"));
      expect(await waiting.catch(String)).toBe("Error: called off");
    },
    never,
  );
});

test("a holder that fails gives the lock back", async () => {
  const lock = fileLock(join(folder, "lock"), hostClock());
  const failing = lock.hold("exclusive", () => Promise.reject(new Error("broken")), never);

  expect(await failing.catch(String)).toBe("Error: broken");
  expect(await lock.holdIfFree(() => Promise.resolve())).toBe(true);
});
