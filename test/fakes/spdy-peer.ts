import { constants, deflateRawSync } from "node:zlib";
import { SPDY_DICTIONARY } from "#adapters/kubelet/spdy/dictionary.ts";
import {
  controlFrame,
  dataHead,
  FLAG_FIN,
  frameReader,
  RST_STREAM,
  SYN_REPLY,
  SYN_STREAM,
} from "#adapters/kubelet/spdy/frames.ts";
import { type Headers, headerReader, headerWriter } from "#adapters/kubelet/spdy/header-block.ts";

export interface SpdyPeer {
  /** Frames of a client that compresses its headers as zlib does, block after block. */
  open(stream: number, headers: Readonly<Record<string, string>>, isLast?: boolean): Buffer;
  data(stream: number, bytes: Uint8Array | string, isLast?: boolean): Buffer;
  reset(stream: number): Buffer;
  /** Reads what the server sent. */
  receive(bytes: Uint8Array): void;
  /** What each stream got: its bytes, and `reply`, `fin`, `rst` in their order. */
  readonly seen: Map<number, { text: string; events: string[] }>;
  readonly control: { readonly type: number; readonly body: Buffer }[];
}

/** The client's end of SPDY/3.1, as far as tests need one. */
export function spdyPeer(): SpdyPeer {
  let window: Buffer = SPDY_DICTIONARY;
  let isFirst = true;
  const readHeaders = headerReader();
  const seen: SpdyPeer["seen"] = new Map();
  const control: { type: number; body: Buffer }[] = [];

  function of(stream: number): { text: string; events: string[] } {
    const known = seen.get(stream) ?? { text: "", events: [] };
    seen.set(stream, known);
    return known;
  }

  const frames = frameReader({
    data(stream, piece, isLast) {
      of(stream).text += piece.toString("latin1");
      if (isLast) of(stream).events.push("fin");
    },
    control(frame) {
      control.push({ type: frame.type, body: Buffer.from(frame.body) });
      const stream = frame.body.length >= 4 ? frame.body.readUInt32BE(0) : 0;
      if (frame.type === SYN_REPLY) {
        readHeaders.read(frame.body.subarray(4));
        of(stream).events.push("reply");
      }
      if (frame.type === RST_STREAM) of(stream).events.push("rst");
    },
  });

  return {
    seen,
    control,
    receive: (bytes) => frames.push(Buffer.from(bytes)),
    open(stream, headers, isLast = false) {
      const plain = plainBlock(new Map(Object.entries(headers)));
      const deflated = deflateRawSync(plain, {
        dictionary: window,
        finishFlush: constants.Z_SYNC_FLUSH,
      });
      window = Buffer.concat([window, plain]).subarray(-32_768);
      const head = isFirst ? [zlibHead()] : [];
      isFirst = false;
      const block = Buffer.concat([Buffer.alloc(2), ...head, deflated]);
      const frame = controlFrame(SYN_STREAM, [stream, 0], block);
      if (isLast) frame[4] = FLAG_FIN;
      return frame;
    },
    data(stream, bytes, isLast = false) {
      const payload = Buffer.from(bytes);
      return Buffer.concat([dataHead(stream, payload.length, isLast), payload]);
    },
    reset: (stream) => controlFrame(RST_STREAM, [stream, 5]),
  };
}

/** Name and value pairs as they are before compression. */
export function plainBlock(headers: Headers): Buffer {
  const parts: Buffer[] = [uint32(headers.size)];
  for (const text of [...headers].flat()) parts.push(uint32(text.length), Buffer.from(text));
  return Buffer.concat(parts);
}

/** The six bytes that begin a zlib stream with our dictionary. */
function zlibHead(): Buffer {
  return headerWriter().write(new Map()).subarray(0, 6);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
