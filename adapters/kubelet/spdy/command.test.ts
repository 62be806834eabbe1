import { expect, test } from "bun:test";
import { Duplex } from "node:stream";
import { fakeClock } from "#test/fakes/clock.ts";
import { spdyPeer } from "#test/fakes/spdy-peer.ts";
import { socketPipe } from "../pipe.ts";
import { STREAM_CREATION_TIMEOUT_MS, spdyCommand } from "./command.ts";

const WANTED = { stdin: true, stdout: true, stderr: false, tty: true } as const;

function called(protocol: string, signal = new AbortController().signal) {
  const peer = spdyPeer();
  const clock = fakeClock();
  const socket = new Duplex({
    read() {
      // The test pushes what arrives.
    },
    write(chunk: Buffer, _encoding, done) {
      peer.receive(chunk);
      done();
    },
  });
  const scope = { signal, active: () => undefined };
  const streams = spdyCommand(socketPipe(socket, Buffer.alloc(0)), {
    wanted: WANTED,
    protocol,
    clock,
    scope,
  });
  const open = (...types: readonly string[]): void =>
    types.forEach((streamType, index) => socket.push(peer.open(index * 2 + 1, { streamType })));
  return { peer, clock, socket, streams, open };
}

test("it starts when every stream is there, the terminal's sizes included", async () => {
  const { streams, open } = called("v4.channel.k8s.io");
  open("error", "stdin", "stdout", "resize");
  const { stdin, stdout, stderr, resize } = await streams;
  expect([stdin, stdout, stderr, resize].map((stream) => stream !== undefined)).toEqual([
    true,
    true,
    false,
    true,
  ]);
});

test("versions before 3 have no stream for sizes", async () => {
  const { streams, open } = called("v2.channel.k8s.io");
  open("error", "stdin", "stdout");
  expect((await streams).resize).toBeUndefined();
});

test("streams that do not come in thirty seconds end the session", async () => {
  const { streams, open, clock } = called("v4.channel.k8s.io");
  open("error", "stdin");
  await Bun.sleep(0);
  clock.advance(STREAM_CREATION_TIMEOUT_MS - 1);
  clock.advance(1);
  expect(await failureOf(streams)).toContain("closed the connection");
});

test("a stream nobody asked for is refused", async () => {
  const { streams, open, peer } = called("v4.channel.k8s.io");
  open("stderr", "error", "error", "stdin", "stdout", "resize");
  await streams;
  expect(peer.seen.get(1)?.events).toEqual(["reply", "rst"]);
  expect(peer.seen.get(5)?.events).toEqual(["reply", "rst"]);
});

test("the output ends before the status is told, and old versions get text", async () => {
  for (const [protocol, text] of [
    ["v4.channel.k8s.io", '{"metadata":{},"status":"Failure","message":"no"}'],
    ["v1", "no"],
  ] as const) {
    const { streams, open, peer, socket } = called(protocol);
    open("error", "stdin", "stdout", "resize");
    // oxlint-disable-next-line no-await-in-loop -- one after the other keeps the failure readable
    const command = await streams;
    const finished = command.finish({ metadata: {}, status: "Failure", message: "no" });
    socket.once("finish", () => socket.push(null));
    // oxlint-disable-next-line no-await-in-loop -- one after the other keeps the failure readable
    await finished;
    expect(peer.seen.get(1)).toEqual({ text, events: ["reply", "fin"] });
    expect(peer.seen.get(5)?.events).toEqual(["reply", "fin"]);
    expect(command.signal.aborted).toBe(true);
  }
});

test("the node's stop closes the socket", async () => {
  const stop = new AbortController();
  const { streams, socket } = called("v4.channel.k8s.io", stop.signal);
  stop.abort(new Error("the node stops"));
  expect(await failureOf(streams)).not.toBe("");
  expect(socket.destroyed).toBe(true);
});

/** The message a promise fails with; empty when it does not. */
async function failureOf(promise: Promise<unknown> | undefined): Promise<string> {
  try {
    await promise;
    return "";
  } catch (error) {
    return String(error);
  }
}
