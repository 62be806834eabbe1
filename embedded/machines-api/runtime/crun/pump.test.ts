import { expect, test } from "bun:test";
import { fakeClock } from "#test/fakes/clock.ts";
import { DRAIN_MS, pumpIn, pumpOut } from "./pump.ts";

const bytes = (text: string): Uint8Array => Buffer.from(text);

test("output is taken to its end, though its process has long ended", async () => {
  const taken: string[] = [];
  const sink = new WritableStream<Uint8Array>({ write: (chunk) => void taken.push(String(chunk)) });
  const source = new Response("all of it").body ?? new ReadableStream<Uint8Array>();

  await pumpOut(source, sink, { ended: Promise.resolve(), clock: fakeClock() });

  expect(taken).toHaveLength(1);
  await sink.close();
});

test("a pipe that stays quiet after its process ended is given up", async () => {
  const clock = fakeClock();
  let isCancelled = false;
  const source = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(bytes("x")),
    cancel: () => void (isCancelled = true),
  });
  const pumping = pumpOut(source, undefined, { ended: Promise.resolve(), clock });
  await new Promise(setImmediate);

  clock.advance(DRAIN_MS);
  await pumping;

  expect(isCancelled).toBe(true);
});

test("a slow sink makes the source wait", async () => {
  let pulled = 0;
  const source = new ReadableStream<Uint8Array>({
    pull(controller) {
      pulled += 1;
      controller.enqueue(bytes("x"));
    },
  });
  const gate = Promise.withResolvers<void>();
  const sink = new WritableStream<Uint8Array>({ write: () => gate.promise });
  const running = Promise.withResolvers<void>();

  void pumpOut(source, sink, { ended: running.promise, clock: fakeClock() });
  await new Promise(setImmediate);

  expect(pulled).toBeLessThan(5);
});

test("a sink that fails ends the reading", async () => {
  let isCancelled = false;
  const source = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(bytes("x")),
    cancel: () => void (isCancelled = true),
  });
  const sink = new WritableStream<Uint8Array>({ write: () => Promise.reject(new Error("gone")) });

  await pumpOut(source, sink, { ended: Promise.resolve(), clock: fakeClock() });

  expect(isCancelled).toBe(true);
});

test("input ends with the process that should read it", async () => {
  const ended = new AbortController();
  const { readable } = new TransformStream<Uint8Array, Uint8Array>();
  const pumping = pumpIn(
    readable,
    { write: () => {}, flush: () => {}, end: () => {} },
    ended.signal,
  );

  ended.abort();

  expect(await pumping).toBeUndefined();
});
