import { describe, expect, test } from "bun:test";
import { array, assert, asyncProperty, integer, property, uint8Array } from "fast-check";
import { fakeClock } from "#test/fakes/clock.ts";
import { spdyPeer } from "#test/fakes/spdy-peer.ts";
import type { Pipe, PipeListener } from "../pipe.ts";
import { spdyConnection } from "./connection.ts";
import { controlFrame, GOAWAY, PING, SETTINGS, WINDOW_UPDATE } from "./frames.ts";
import type { SpdyStream } from "./stream.ts";

/** A connection over a pipe in memory, with a client at its other end. */
function connected({ maxStreams = 10, onOpen = (_stream: SpdyStream): void => undefined } = {}) {
  const peer = spdyPeer();
  const clock = fakeClock();
  const streams: SpdyStream[] = [];
  const calls: string[] = [];
  let listener: PipeListener | undefined;
  let hasRoom = true;
  const pipe: Pipe = {
    write(head, body) {
      peer.receive(head);
      if (body) peer.receive(body);
      return hasRoom;
    },
    pause: () => void calls.push("pause"),
    resume: () => void calls.push("resume"),
    end: () => void calls.push("end"),
    destroy() {
      calls.push("destroy");
      listener?.closed();
    },
    listen: (given) => {
      listener = given;
    },
  };
  let closed: Error | "closed" | undefined;
  const connection = spdyConnection(pipe, {
    clock,
    maxStreams,
    opened(stream) {
      streams.push(stream);
      onOpen(stream);
    },
    active: () => undefined,
    closed: (error) => {
      closed = error ?? "closed";
    },
  });
  return {
    peer,
    clock,
    streams,
    calls,
    connection,
    closed: () => closed,
    send: (...frames: readonly Uint8Array[]) => {
      for (const frame of frames) listener?.data(Buffer.from(frame));
    },
    hangUp: () => listener?.closed(),
    full: () => {
      hasRoom = false;
    },
    drained: () => {
      hasRoom = true;
      listener?.drained();
    },
  };
}

describe("a stream", () => {
  test("is answered, carries bytes both ways, and each side ends by itself", async () => {
    const { peer, streams, send } = connected();
    send(
      peer.open(1, { streamType: "stdin", port: "80" }),
      peer.data(1, "hello"),
      peer.data(1, "", true),
    );
    const [stream] = streams;
    expect(stream?.headers).toEqual(
      new Map([
        ["streamtype", "stdin"],
        ["port", "80"],
      ]),
    );
    expect(await new Response(stream?.readable).text()).toBe("hello");

    const writer = stream?.writable.getWriter();
    await writer?.write(Buffer.from("world"));
    await writer?.close();
    expect(peer.seen.get(1)).toEqual({ text: "world", events: ["reply", "fin"] });
  });

  test("arrives the same however the bytes are cut", async () => {
    await assert(
      asyncProperty(
        array(uint8Array({ maxLength: 300 }), { maxLength: 20 }),
        integer({ min: 1, max: 64 }),
        async (chunks, step) => {
          const { peer, streams, send } = connected();
          const bytes = Buffer.concat([
            peer.open(1, { streamtype: "data" }),
            peer.open(3, { streamtype: "error" }, true),
            ...chunks.map((chunk) => peer.data(1, chunk)),
            peer.data(1, "", true),
          ]);
          for (let at = 0; at < bytes.length; at += step) send(bytes.subarray(at, at + step));
          const [data, error] = await Promise.all(
            streams.map(({ readable }) => new Response(readable).arrayBuffer()),
          );
          expect(Buffer.from(data ?? new ArrayBuffer()).equals(Buffer.concat(chunks))).toBe(true);
          expect(error?.byteLength).toBe(0);
        },
      ),
    );
  });

  test("that the client resets fails where it is read and where it is written", async () => {
    const { peer, streams, send } = connected();
    send(peer.open(1, {}), peer.reset(1));
    const [stream] = streams;
    expect(stream?.signal.aborted).toBe(true);
    expect(await failureOf(new Response(stream?.readable).text())).toContain("reset");
    expect(await failureOf(stream?.writable.getWriter().write(Buffer.from("x")))).toContain(
      "reset",
    );
  });

  test("beyond the bound is refused, and the others live on", () => {
    const { peer, streams, send, closed } = connected({ maxStreams: 1 });
    send(peer.open(1, {}), peer.open(3, {}), peer.data(1, "x"));
    expect(streams).toHaveLength(1);
    expect(peer.seen.get(3)?.events).toEqual(["rst"]);
    expect(closed()).toBeUndefined();
  });

  test("that is over makes room for another", async () => {
    const { peer, streams, send } = connected({ maxStreams: 1 });
    send(peer.open(1, {}, true));
    await streams[0]?.writable.close();
    send(peer.open(3, {}));
    expect(streams).toHaveLength(2);
  });

  test("whose writer is aborted tells the client", async () => {
    const { peer, streams, send } = connected();
    send(peer.open(1, {}));
    await streams[0]?.writable.abort();
    expect(peer.seen.get(1)?.events).toEqual(["reply", "rst"]);
  });
});

describe("back-pressure", () => {
  test("a stream nobody reads pauses the connection, and goes on when it is read", async () => {
    const { peer, streams, send, calls } = connected();
    send(peer.open(1, {}), peer.data(1, Buffer.alloc(300_000)));
    expect(calls).toEqual(["pause"]);
    await streams[0]?.readable.getReader().read();
    expect(calls).toEqual(["pause", "resume"]);
  });

  test("while it is paused the peer is pinged, so that its death is noticed", async () => {
    const { peer, streams, send, clock } = connected();
    send(peer.open(1, {}), peer.data(1, Buffer.alloc(300_000)));
    clock.advance(1_000);
    clock.advance(1_000);
    await streams[0]?.readable.getReader().read();
    clock.advance(5_000);
    expect(peer.control.filter(({ type }) => type === PING)).toHaveLength(2);
  });

  test("a stream that was given up does not hold the others back", async () => {
    const { peer, streams, send, calls } = connected();
    send(peer.open(1, {}), peer.data(1, Buffer.alloc(300_000)));
    await streams[0]?.readable.cancel();
    send(peer.data(1, Buffer.alloc(600_000)));
    expect(calls).toEqual(["pause", "resume"]);
  });

  test("a writer waits while the socket is full", async () => {
    const { peer, streams, send, full, drained } = connected();
    send(peer.open(1, {}));
    full();
    const writer = streams[0]?.writable.getWriter();
    let isWritten = false;
    const written = writer?.write(Buffer.from("x")).finally(() => {
      isWritten = true;
    });
    await Bun.sleep(0);
    expect(isWritten).toBe(false);
    drained();
    await written;
  });
});

describe("the connection", () => {
  test("echoes the peer's pings and leaves the answers to its own", () => {
    const { peer, send } = connected();
    send(controlFrame(PING, [7]), controlFrame(PING, [8]));
    expect(peer.control).toEqual([{ type: PING, body: Buffer.from([0, 0, 0, 7]) }]);
  });

  test("takes settings and window updates, which mean nothing here", () => {
    const { peer, streams, send } = connected();
    send(
      controlFrame(SETTINGS, [0]),
      controlFrame(WINDOW_UPDATE, [1, 65_536]),
      controlFrame(77, [1]),
      peer.open(1, {}),
    );
    expect(streams).toHaveLength(1);
  });

  test("opens no stream after the peer's goodbye", () => {
    const { peer, streams, send } = connected();
    send(controlFrame(GOAWAY, [0, 0]), peer.open(1, {}));
    expect(streams).toHaveLength(0);
    expect(peer.seen.get(1)?.events).toEqual(["rst"]);
  });

  test("says goodbye with the last stream it took", () => {
    const { peer, connection, calls, send } = connected();
    send(peer.open(5, {}));
    connection.close();
    expect(peer.control.at(-1)).toEqual({
      type: GOAWAY,
      body: Buffer.from([0, 0, 0, 5, 0, 0, 0, 0]),
    });
    expect(calls).toEqual(["end"]);
  });

  test("that is lost fails every stream", () => {
    const { peer, streams, send, hangUp, closed } = connected();
    send(peer.open(1, {}), peer.open(3, {}));
    hangUp();
    expect(streams.map(({ signal }) => signal.aborted)).toEqual([true, true]);
    expect(closed()).toBe("closed");
  });

  test.each([
    ["an older version", Buffer.from([0x80, 2, 0, 1, 0, 0, 0, 0])],
    ["a control frame too large", Buffer.from([0x80, 3, 0, 1, 0, 0xff, 0xff, 0xff])],
    ["an even stream", spdyPeer().open(2, {})],
    ["a header stream that is none", controlFrame(1, [1, 0], Buffer.alloc(20))],
    ["a truncated reset", controlFrame(3, [])],
  ])("%s closes it", (_what, bytes) => {
    const { send, closed, calls } = connected();
    send(bytes);
    expect(closed()).toBeInstanceOf(Error);
    expect(calls).toEqual(["destroy"]);
  });

  test("whatever the bytes, nothing is thrown and no stream outlives it", () => {
    const frame = array(integer({ min: 0, max: 255 }), { minLength: 0, maxLength: 40 }).map(
      (body) => {
        const [type = 0, ...rest] = body;
        return controlFrame(type % 12, [], Buffer.from(rest));
      },
    );
    assert(
      property(array(frame), array(uint8Array({ maxLength: 200 })), (frames, noise) => {
        const { peer, streams, send, hangUp } = connected();
        send(peer.open(1, {}), ...frames, ...noise);
        hangUp();
        expect(streams.every(({ signal }) => signal.aborted)).toBe(true);
      }),
    );
  });
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
