import type { Clock } from "#core/ports/clock.ts";
import { holdBack, sharedDrain } from "../flow.ts";
import type { Pipe } from "../pipe.ts";
import {
  type ControlFrame,
  controlFrame,
  dataHead,
  FLAG_FIN,
  frameReader,
  GOAWAY,
  HEADERS,
  PING,
  RST_STREAM,
  SYN_REPLY,
  SYN_STREAM,
} from "./frames.ts";
import { type Headers, headerReader, headerWriter } from "./header-block.ts";
import { type SpdyStream, type StreamEnd, spdyStream } from "./stream.ts";

const REFUSED_STREAM = 3;
const CANCEL = 5;
/** Payload of one data frame at most, so that streams take turns. */
const DATA_MAX_BYTES = 1_048_576;
const NO_HEADERS: Headers = new Map();

export interface SpdyOptions {
  readonly clock: Clock;
  /** Streams open at one time; one more is refused and the others live on. */
  readonly maxStreams: number;
  /** A new stream of the peer; it is answered already. */
  readonly opened: (stream: SpdyStream) => void;
  /** Anything was sent or received. */
  readonly active: () => void;
  /** Exactly once. `error` is set when the peer broke the protocol. */
  readonly closed: (error: Error | undefined) => void;
}

export interface SpdyConnection {
  /** Sends GOAWAY, then closes when everything written is out. */
  close(): void;
}

/**
 * The server's end of SPDY/3.1 as Kubernetes uses it: the peer opens streams, we answer them.
 * There is no flow control, because Go's library sends no WINDOW_UPDATE; the pipe's is enough.
 * Whatever the bytes, nothing is thrown past here: a broken peer's connection is closed.
 */
export function spdyConnection(pipe: Pipe, options: SpdyOptions): SpdyConnection {
  const streams = new Map<number, StreamEnd>();
  const held = holdBack(pipe, options.clock, probe);
  const drain = sharedDrain();
  const readHeaders = headerReader();
  const writeHeaders = headerWriter();
  let lastStream = 0;
  let isLeaving = false;
  let isEnding = false;
  let isClosed = false;
  let failure: Error | undefined;

  function send(head: Uint8Array, body?: Uint8Array): Promise<void> | undefined {
    if (isClosed) return undefined;
    options.active();
    return pipe.write(head, body) ? undefined : drain.wait();
  }

  /** A ping of our own has an even number; its answer is of no interest. */
  function probe(): void {
    if (!isClosed) pipe.write(controlFrame(PING, [2]));
  }

  function reset(id: number, status: number): void {
    void send(controlFrame(RST_STREAM, [id, status]));
  }

  async function sendData(id: number, bytes: Uint8Array, isLast: boolean): Promise<void> {
    for (let at = 0; at === 0 || at < bytes.length; at += DATA_MAX_BYTES) {
      const piece = bytes.subarray(at, at + DATA_MAX_BYTES);
      const isEnd = isLast && at + DATA_MAX_BYTES >= bytes.length;
      // oxlint-disable-next-line no-await-in-loop -- one piece after the other is the point
      await send(dataHead(id, piece.length, isEnd), piece);
    }
  }

  function open(id: number, headers: Headers, isHalf: boolean): void {
    if (id % 2 === 0 || id <= lastStream) throw new Error(`stream ${id} cannot be opened`);
    lastStream = id;
    if (isLeaving || streams.size >= options.maxStreams) return reset(id, REFUSED_STREAM);
    void send(controlFrame(SYN_REPLY, [id], writeHeaders.write(NO_HEADERS)));
    const end = spdyStream(id, headers, {
      send: (bytes, isLast) => sendData(id, bytes, isLast),
      reset: () => reset(id, CANCEL),
      isFull: (isFull) => held.set(id, isFull),
      over() {
        streams.delete(id);
        held.set(id, false);
      },
    });
    streams.set(id, end);
    options.opened(end.stream);
    if (isHalf) end.receive(Buffer.alloc(0), true);
  }

  function control({ type, flags, body }: ControlFrame): void {
    switch (type) {
      case SYN_STREAM: {
        const headers = readHeaders.read(body.subarray(10));
        open(body.readUInt32BE(0) & 0x7fff_ffff, headers, (flags & FLAG_FIN) !== 0);
        break;
      }
      case RST_STREAM:
        streams.get(body.readUInt32BE(0) & 0x7fff_ffff)?.cut("the client reset the stream");
        break;
      case PING:
        // Odd numbers are the peer's own; an even one would be an answer to a ping of ours.
        if (body.readUInt32BE(0) % 2 === 1) void send(controlFrame(PING, [body.readUInt32BE(0)]));
        break;
      case GOAWAY:
        isLeaving = true;
        break;
      case SYN_REPLY:
      case HEADERS:
        // They change the window of the header stream, so they must be read.
        readHeaders.read(body.subarray(4));
        break;
      default:
      // SETTINGS, WINDOW_UPDATE and unknown types mean nothing to us.
    }
  }

  const frames = frameReader({
    control,
    data: (id, piece, isLast) => streams.get(id)?.receive(piece, isLast),
  });

  pipe.listen({
    data(bytes) {
      if (isEnding || failure !== undefined) return;
      options.active();
      try {
        frames.push(bytes);
      } catch (error) {
        failure = error instanceof Error ? error : new Error(String(error));
        pipe.destroy();
      }
    },
    drained: () => drain.drained(),
    closed() {
      if (isClosed) return;
      isClosed = true;
      held.release();
      drain.drained();
      for (const end of streams.values()) end.cut("the connection is closed");
      streams.clear();
      options.closed(failure);
    },
  });

  return {
    close() {
      if (isEnding || isClosed) return;
      isEnding = true;
      held.release();
      void send(controlFrame(GOAWAY, [lastStream, 0]));
      pipe.end();
    },
  };
}
