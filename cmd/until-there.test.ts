import { expect, test } from "bun:test";
import { FksError } from "#core/errors.ts";
import { fakeClock } from "#test/fakes/clock.ts";
import { eventually } from "#test/fakes/eventually.ts";
import { memoryLog } from "#test/fakes/log.ts";
import { untilThere } from "./until-there.ts";

test("what passes by itself is waited for, and said once", async () => {
  const world = start(["Unavailable", "Unavailable", "Forbidden"]);
  let isOver = false;
  const waiting = world.wait().finally(() => {
    isOver = true;
  });
  await eventually(() => isOver, { clock: world.clock });
  expect(await waiting).toBe("there");
  expect(world.told).toContain("waiting for the API server: Unavailable");
  expect(world.log.lines.map(([, { reason }]) => reason)).toEqual(["Unavailable", "Forbidden"]);
});

test("what no waiting cures is thrown", async () => {
  const error = await start(["Conflict"])
    .wait()
    .catch((err: unknown) => err);
  expect(error).toMatchObject({ code: "Conflict" });
});

test("stopping ends the wait", async () => {
  const stop = new AbortController();
  const world = start(["Unavailable"]);
  const waiting = world.wait(stop.signal).catch((err: unknown) => err);
  stop.abort(new Error("told to stop"));
  expect(await waiting).toEqual(new Error("told to stop"));
});

function start(failures: ("Unavailable" | "Forbidden" | "Conflict")[]) {
  const clock = fakeClock();
  const log = memoryLog();
  const told: string[] = [];
  const scope = {
    what: "the API server",
    clock,
    log,
    waiting: (reason: string) => told.push(reason),
  };
  return {
    clock,
    log,
    told,
    wait: (signal = new AbortController().signal) =>
      untilThere(
        scope,
        async () => {
          const code = failures.shift();
          if (code !== undefined) throw new FksError(code, code);
          return "there";
        },
        signal,
      ),
  };
}
