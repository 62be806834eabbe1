import { expect, test } from "bun:test";
import { fakeClock } from "#test/fakes/clock.ts";
import { memoryLog } from "#test/fakes/log.ts";
import { FksError } from "../errors.ts";
import { type Reconcile, runController } from "./controller.ts";
import { workQueue } from "./work-queue.ts";

function world(workers = 1) {
  const clock = fakeClock();
  const stop = new AbortController();
  const log = memoryLog();
  const queue = workQueue(clock, stop.signal);
  const run = (reconcile: Reconcile) =>
    runController({ queue, clock, log, workers, reconcile }, stop.signal);
  return { clock, stop, log, queue, run };
}

/** Lets every promise that can go on go on. */
const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

test("a key that fails comes back after the delay the platform asked for", async () => {
  const { clock, stop, log, queue, run } = world();
  const attempts: number[] = [];
  const running = run(async () => {
    attempts.push(clock.now());
    throw new FksError("RateLimited", "slow down", { retryAfterMs: 5_000 });
  });
  queue.add("default/web/u1");
  await settled();
  clock.advance(4_999);
  await settled();
  clock.advance(1);
  await settled();
  stop.abort();
  await running;

  expect(attempts).toEqual([0, 5_000]);
  expect(log.lines[0]).toMatchObject(["reconcile failed", { retry_in_ms: 5_000 }]);
});

test("a touch does not cancel the back-off of a failing key, during work nor after it", async () => {
  const { clock, stop, queue, run } = world();
  const attempts: number[] = [];
  const running = run(async (key) => {
    attempts.push(clock.now());
    queue.add(key);
    throw new FksError("Unavailable", "not now");
  });
  queue.add("k");
  await settled();
  queue.add("k");
  await settled();
  expect(attempts).toEqual([0]);

  clock.advance(250);
  await settled();
  clock.advance(499);
  queue.add("k");
  await settled();
  expect(attempts).toEqual([0, 250]);
  clock.advance(1);
  await settled();
  stop.abort();
  await running;

  expect(attempts).toEqual([0, 250, 750]);
});

test("a key added while it is being worked on is worked on once more", async () => {
  const { stop, queue, run } = world();
  let runs = 0;
  queue.add("k");
  const running = run(async (key) => {
    runs += 1;
    if (runs === 1) for (let i = 0; i < 3; i += 1) queue.add(key);
    return {};
  });
  await settled();
  stop.abort();
  await running;

  expect(runs).toBe(2);
});

test("a touch brings a recheck forward, and the recheck does not come a second time", async () => {
  const { clock, stop, queue, run } = world();
  const runs: number[] = [];
  const running = run(async () => {
    runs.push(clock.now());
    return runs.length === 1 ? { recheckInMs: 1_000 } : {};
  });
  queue.add("k");
  await settled();
  clock.advance(10);
  queue.add("k");
  await settled();
  clock.advance(2_000);
  await settled();
  stop.abort();
  await running;

  expect(runs).toEqual([0, 10]);
});

test("many workers never hold one key at the same time", async () => {
  const { stop, queue, run } = world(8);
  const busy = new Set<string>();
  let collisions = 0;
  let runs = 0;
  const running = run(async (key) => {
    if (busy.has(key)) collisions += 1;
    busy.add(key);
    await settled();
    busy.delete(key);
    runs += 1;
    return {};
  });
  for (let i = 0; i < 300; i += 1) {
    queue.add(`k${i % 7}`);
    if (i % 5 === 0) await settled();
  }
  for (let i = 0; i < 20; i += 1) await settled();
  stop.abort();
  await running;

  expect(collisions).toBe(0);
  expect(runs).toBeGreaterThan(7);
  expect(queue.depth()).toBe(0);
});

test("a reconcile that hangs is aborted at its deadline and retried", async () => {
  const { clock, stop, log, queue, run } = world();
  queue.add("k");
  const running = run((_key, signal) => {
    const { promise, reject } = Promise.withResolvers<never>();
    signal.addEventListener("abort", () => reject(signal.reason));
    return promise;
  });
  await settled();
  clock.advance(30_000);
  await settled();
  stop.abort();
  await running;

  expect(log.lines).toMatchObject([["reconcile failed", { retry_in_ms: 250 }]]);
});

test("one key that meets a bug does not stop the others", async () => {
  const { stop, queue, run } = world();
  const done: string[] = [];
  queue.add("bad");
  queue.add("good");
  const running = run(async (key) => {
    if (key === "bad") throw new TypeError("undefined is not a function");
    done.push(key);
    return {};
  });
  await settled();
  stop.abort();
  await running;

  expect(done).toEqual(["good"]);
});
