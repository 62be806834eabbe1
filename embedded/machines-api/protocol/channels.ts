import type { ServerWebSocket } from "bun";
import type { TerminalSize } from "#core/fly/machine-protocol.ts";
import type { Clock } from "#core/ports/clock.ts";
import { inputQueue } from "./input-queue.ts";

/** Kubernetes' remote command protocol; the channel bytes are in docs/machine-protocol.md. */
export const SUBPROTOCOL = "v5.channel.k8s.io";

const STDIN = 0;
const END = 3;
const RESIZE = 4;
const CLOSED = 255;

/** Above this the socket has to drain before more is written. */
const OUTPUT_BYTES = 1024 * 1024;
const MAX_FRAME_BYTES = 64 * 1024;

/** What Bun's server calls for one WebSocket. */
export interface Session {
  opened(socket: ServerWebSocket<Session>): void;
  message(data: string | Uint8Array): void;
  drained(): void;
  closed(): void;
}

/** One side of a WebSocket as streams. */
export interface Channels {
  readonly input: ReadableStream<Uint8Array>;
  readonly resize: ReadableStream<TerminalSize>;
  output(channel: 1 | 2): WritableStream<Uint8Array>;
  /** Tells how it ended; nothing can be sent after it. */
  end(payload: object): void;
}

/**
 * A session that runs `work` and closes the socket after it. `signal` of the work aborts when the
 * client goes away or `signal` here does.
 */
export function channelSession(
  work: (channels: Channels, signal: AbortSignal) => Promise<void>,
  clock: Clock,
  signal: AbortSignal,
): Session {
  const gone = new AbortController();
  const input = inputQueue(clock);
  const resizes = new TransformStream<TerminalSize, TerminalSize>({}, { highWaterMark: 64 });
  const resizeWriter = resizes.writable.getWriter();
  let drained = Promise.withResolvers<void>();
  let socket: ServerWebSocket<Session> | undefined;

  async function send(channel: number, part: Uint8Array): Promise<void> {
    for (let at = 0; at < part.byteLength; at += MAX_FRAME_BYTES) {
      gone.signal.throwIfAborted();
      if (socket === undefined) return;
      if (socket.getBufferedAmount() > OUTPUT_BYTES) {
        drained = Promise.withResolvers();
        await drained.promise;
      }
      socket.send(frame(channel, part.subarray(at, at + MAX_FRAME_BYTES)));
    }
  }

  const channels: Channels = {
    input: input.stream,
    resize: resizes.readable,
    output: (channel) =>
      new WritableStream({
        write: (part) => send(channel, part),
        close: () => void socket?.send(new Uint8Array([CLOSED, channel])),
      }),
    end(payload) {
      socket?.send(frame(END, new TextEncoder().encode(JSON.stringify(payload))));
    },
  };

  function receive(channel: number, payload: Uint8Array): void {
    if (channel === STDIN) input.push(payload);
    if (channel === CLOSED && payload[0] === STDIN) input.close();
    const size = channel === RESIZE ? sizeOf(payload) : undefined;
    if (size !== undefined) resizeWriter.write(size).catch(() => undefined);
  }

  return {
    opened(opened) {
      socket = opened;
      input.attach(opened);
      const both = AbortSignal.any([signal, gone.signal]);
      void work(channels, both)
        .catch(() => undefined)
        .finally(() => opened.close(1000));
    },
    message(data) {
      if (typeof data === "string") return socket?.close(1003, "binary messages only");
      // Bun reuses the buffer of a message.
      receive(data[0] ?? CLOSED, data.slice(1));
    },
    drained: () => drained.resolve(),
    closed() {
      gone.abort(new Error("the client went away"));
      drained.resolve();
      input.close();
      resizeWriter.close().catch(() => undefined);
      socket = undefined;
    },
  };
}

function frame(channel: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(payload.byteLength + 1);
  bytes[0] = channel;
  bytes.set(payload, 1);
  return bytes;
}

/** A terminal size, or undefined for bytes that are none. */
function sizeOf(payload: Uint8Array): TerminalSize | undefined {
  try {
    const size: unknown = JSON.parse(new TextDecoder().decode(payload));
    return isSize(size) ? { cols: size.cols, rows: size.rows } : undefined;
  } catch {
    return undefined;
  }
}

function isSize(value: unknown): value is TerminalSize {
  if (typeof value !== "object" || value === null) return false;
  if (!("cols" in value) || !("rows" in value)) return false;
  return [value.cols, value.rows].every(
    (n) => typeof n === "number" && Number.isInteger(n) && n > 0 && n < 65_536,
  );
}
