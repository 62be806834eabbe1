import { expect, test } from "bun:test";
import { fakeClock } from "#test/fakes/clock.ts";
import { bucketFor, limits } from "./limits.ts";

const STOP = bucketFor("POST", "/v1/apps/demo/machines/0a/stop");

test("three calls at once, then one a second, and the answer says how long to wait", () => {
  const clock = fakeClock();
  const buckets = limits(clock);
  const ask = (): number => buckets.take(STOP.key, STOP.rate);

  expect([ask(), ask(), ask()]).toEqual([0, 0, 0]);
  expect(ask()).toBe(1_000);
  clock.advance(400);
  expect(ask()).toBe(600);
  clock.advance(600);
  expect([ask(), ask()]).toEqual([0, 1_000]);
});

function key(method: string, path: string): string {
  return bucketFor(method, path).key;
}

test("each action on each Machine has a bucket of its own; calls about an App share the App's", () => {
  expect(key("POST", "/v1/apps/demo/machines/0a/start")).not.toBe(STOP.key);
  expect(key("POST", "/v1/apps/demo/machines/0b/stop")).not.toBe(STOP.key);
  expect(key("POST", "/v1/apps/demo/machines")).not.toBe(key("GET", "/v1/apps/demo/machines"));
  expect(key("POST", "/v1/apps/demo/machines")).not.toBe(key("POST", "/v1/apps/other/machines"));
});

test("one Machine may be read five times a second, with ten at once", () => {
  expect(bucketFor("GET", "/v1/apps/demo/machines/0a").rate).toEqual({ perSecond: 5, burst: 10 });
  expect(bucketFor("GET", "/v1/apps/demo/machines/0a/wait").rate).toEqual({
    perSecond: 1,
    burst: 3,
  });
});
