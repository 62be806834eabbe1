import type { Headers } from "./header-block.ts";

/** What one stream may hold before the whole connection is paused. */
const STREAM_MAX_HELD_BYTES = 262_144;

/** One stream of a connection; each direction ends on its own. */
export interface SpdyStream {
  readonly id: number;
  readonly headers: Headers;
  /** Ends with the peer's FIN; fails when the stream is cut. */
  readonly readable: ReadableStream<Uint8Array>;
  /** Closing it sends FIN. */
  readonly writable: WritableStream<Uint8Array>;
  /** Aborts when the peer reset the stream or the connection is gone. */
  readonly signal: AbortSignal;
  /** Ends both directions at once, so that nothing more is sent or kept. */
  reset(): void;
}

/** The connection's side of a stream. */
export interface StreamEnd {
  readonly stream: SpdyStream;
  receive(piece: Uint8Array, isLast: boolean): void;
  /** The peer is gone. */
  cut(reason: string): void;
}

interface StreamDuties {
  send(bytes: Uint8Array, isLast: boolean): Promise<void>;
  reset(): void;
  isFull(isFull: boolean): void;
  /** Both directions have ended. */
  over(): void;
}

const NOTHING = new Uint8Array();

export function spdyStream(id: number, headers: Headers, duties: StreamDuties): StreamEnd {
  const gone = new AbortController();
  let isReadEnded = false;
  let isWriteEnded = false;
  let input: ReadableStreamDefaultController<Uint8Array> | undefined;
  let output: WritableStreamDefaultController | undefined;

  function endRead(): void {
    isReadEnded = true;
    if (isWriteEnded) duties.over();
  }

  function endWrite(): void {
    isWriteEnded = true;
    if (isReadEnded) duties.over();
  }

  function cut(reason: string): void {
    if (gone.signal.aborted) return;
    const error = new Error(reason);
    if (!isReadEnded) input?.error(error);
    if (!isWriteEnded) output?.error(error);
    isReadEnded = true;
    isWriteEnded = true;
    input = undefined;
    duties.over();
    gone.abort(error);
  }

  const readable = new ReadableStream<Uint8Array>(
    {
      start: (controller) => {
        input = controller;
      },
      pull: () => duties.isFull(false),
      // What still arrives is dropped: nobody wants it, and the others must not wait for it.
      cancel: () => {
        input = undefined;
        duties.isFull(false);
      },
    },
    new ByteLengthQueuingStrategy({ highWaterMark: STREAM_MAX_HELD_BYTES }),
  );

  const writable = new WritableStream<Uint8Array>({
    start: (controller) => {
      output = controller;
    },
    write: (chunk) => (chunk.length === 0 ? undefined : duties.send(chunk, false)),
    close: async () => {
      const sent = duties.send(NOTHING, true);
      endWrite();
      await sent;
    },
    abort: () => stream.reset(),
  });

  const stream: SpdyStream = {
    id,
    headers,
    readable,
    writable,
    signal: gone.signal,
    reset() {
      if (gone.signal.aborted) return;
      duties.reset();
      cut("the stream was reset");
    },
  };

  return {
    stream,
    cut,
    receive(piece, isLast) {
      if (isReadEnded) return;
      if (piece.length > 0 && input !== undefined) {
        input.enqueue(piece);
        if ((input.desiredSize ?? 1) <= 0) duties.isFull(true);
      }
      if (!isLast) return;
      input?.close();
      endRead();
    },
  };
}
