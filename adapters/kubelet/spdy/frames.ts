/** A control frame is buffered whole; no Kubernetes peer sends one near this size. */
const CONTROL_MAX_BYTES = 65_536;
const FRAME_HEAD_BYTES = 8;
const VERSION = 3;

/** Control frame types of SPDY/3.1. */
export const SYN_STREAM = 1;
export const SYN_REPLY = 2;
export const RST_STREAM = 3;
export const SETTINGS = 4;
export const PING = 6;
export const GOAWAY = 7;
export const HEADERS = 8;
export const WINDOW_UPDATE = 9;

export const FLAG_FIN = 1;

export interface ControlFrame {
  readonly type: number;
  readonly flags: number;
  readonly body: Buffer;
}

interface FrameHandler {
  control(frame: ControlFrame): void;
  /** A piece of a data frame as it arrived; `isLast` marks the end of a frame that had FIN. */
  data(stream: number, piece: Buffer, isLast: boolean): void;
}

export interface FrameReader {
  /** Takes bytes cut anywhere. Throws on what is no SPDY/3 frame. */
  push(bytes: Buffer): void;
}

/** Cuts a byte stream into frames. Control frames are whole, data frames come in pieces, uncopied. */
export function frameReader(handler: FrameHandler): FrameReader {
  let held: Buffer = Buffer.alloc(0);
  let data: { stream: number; left: number; hasFin: boolean } | undefined;

  /** Takes one step; gives the bytes that are left, or `undefined` when more must come first. */
  function step(bytes: Buffer): Buffer | undefined {
    if (data !== undefined) {
      if (bytes.length === 0 && data.left > 0) return undefined;
      const piece = bytes.subarray(0, data.left);
      const { stream, hasFin } = data;
      data.left -= piece.length;
      const isWhole = data.left === 0;
      if (isWhole) data = undefined;
      handler.data(stream, piece, isWhole && hasFin);
      return bytes.subarray(piece.length);
    }
    if (bytes.length < FRAME_HEAD_BYTES) return undefined;
    const word = bytes.readUInt32BE(0);
    const flags = bytes.readUInt8(4);
    const length = bytes.readUIntBE(5, 3);
    if (word < 0x8000_0000) {
      data = { stream: word, left: length, hasFin: (flags & FLAG_FIN) !== 0 };
      return bytes.subarray(FRAME_HEAD_BYTES);
    }
    if (bytes.readUInt16BE(0) !== 0x8000 + VERSION) throw new Error("not SPDY version 3");
    if (length > CONTROL_MAX_BYTES) throw new Error(`a control frame of ${length} bytes`);
    const end = FRAME_HEAD_BYTES + length;
    if (bytes.length < end) return undefined;
    handler.control({
      type: bytes.readUInt16BE(2),
      flags,
      body: bytes.subarray(FRAME_HEAD_BYTES, end),
    });
    return bytes.subarray(end);
  }

  return {
    push(bytes) {
      let rest = held.length === 0 ? bytes : Buffer.concat([held, bytes]);
      for (let next = step(rest); next !== undefined; next = step(next)) rest = next;
      held = rest;
    },
  };
}

/** The eight bytes in front of a data frame's payload. */
export function dataHead(stream: number, length: number, isLast: boolean): Buffer {
  const head = Buffer.allocUnsafe(FRAME_HEAD_BYTES);
  head.writeUInt32BE(stream, 0);
  head.writeUInt8(isLast ? FLAG_FIN : 0, 4);
  head.writeUIntBE(length, 5, 3);
  return head;
}

/** A control frame whose body starts with these 32-bit words. */
export function controlFrame(
  type: number,
  words: readonly number[],
  rest: Uint8Array = Buffer.alloc(0),
): Buffer {
  const length = words.length * 4 + rest.length;
  const frame = Buffer.alloc(FRAME_HEAD_BYTES + length);
  frame.writeUInt16BE(0x8000 + VERSION, 0);
  frame.writeUInt16BE(type, 2);
  frame.writeUIntBE(length, 5, 3);
  words.forEach((word, index) => frame.writeUInt32BE(word, FRAME_HEAD_BYTES + index * 4));
  frame.set(rest, FRAME_HEAD_BYTES + words.length * 4);
  return frame;
}
