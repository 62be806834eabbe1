import type { ServerWebSocket } from "bun";
import type { Clock } from "#core/ports/clock.ts";

/** A client that sends faster than this is read leaves the rest in its own socket. */
const AHEAD_BYTES = 256 * 1024;

/** A paused socket does not notice that its peer is gone; what is sent to it does. */
const PROBE_MS = 1_000;

type Socket = Pick<ServerWebSocket<unknown>, "pause" | "resume" | "ping">;

export interface InputQueue {
  readonly stream: ReadableStream<Uint8Array>;
  attach(socket: Socket): void;
  push(part: Uint8Array): void;
  close(): void;
}

/** Bytes from a WebSocket, which is paused while nobody takes them. */
export function inputQueue(clock: Clock): InputQueue {
  let socket: Socket | undefined;
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  let paused: AbortController | undefined;

  function pause(): void {
    if (paused !== undefined) return;
    paused = new AbortController();
    socket?.pause();
    probeLater(paused.signal);
  }

  function probeLater(signal: AbortSignal): void {
    clock.after(
      PROBE_MS,
      () => {
        socket?.ping();
        if (!signal.aborted) probeLater(signal);
      },
      signal,
    );
  }

  function resume(): void {
    if (paused === undefined) return;
    paused.abort();
    paused = undefined;
    socket?.resume();
  }

  function stop(): void {
    controller = undefined;
    resume();
  }

  const stream = new ReadableStream<Uint8Array>(
    { start: (started) => void (controller = started), pull: resume, cancel: stop },
    new ByteLengthQueuingStrategy({ highWaterMark: AHEAD_BYTES }),
  );
  return {
    stream,
    attach: (attached) => void (socket = attached),
    push(part) {
      // What nobody wants to read is thrown away, as by a closed pipe.
      if (controller === undefined || part.byteLength === 0) return;
      controller.enqueue(part);
      if ((controller.desiredSize ?? 0) <= 0) pause();
    },
    close() {
      const open = controller;
      stop();
      open?.close();
    },
  };
}
