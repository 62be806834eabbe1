import { LABEL_MAX_BYTES, labelsOf, NAME_MAX_BYTES, type Name } from "./name.ts";

/** Bytes of a message that grows; names that came before are pointed to. */
export interface Writer {
  readonly length: number;
  u8(value: number): void;
  u16(value: number): void;
  u32(value: number): void;
  bytes(values: Uint8Array): void;
  /** A name that cannot be written becomes the root: nothing here may throw. */
  name(name: Name): void;
  /** A name without pointers to others, for data of types in which none may stand. */
  plainName(name: Name): void;
  /** Puts a number written before right. */
  setU16(offset: number, value: number): void;
  /** Forgets everything from `length` on. */
  cut(length: number): void;
  result(): Uint8Array;
}

const POINTER_MAX = 0x3fff;

export function writer(): Writer {
  let buffer = new Uint8Array(512);
  let length = 0;
  const offsets = new Map<string, number>();

  function room(count: number): void {
    if (length + count <= buffer.length) return;
    const larger = new Uint8Array(Math.max(buffer.length * 2, length + count));
    larger.set(buffer.subarray(0, length));
    buffer = larger;
  }

  function u8(value: number): void {
    room(1);
    buffer[length] = value;
    length += 1;
  }

  function u16(value: number): void {
    room(2);
    buffer[length] = value >>> 8;
    buffer[length + 1] = value & 0xff;
    length += 2;
  }

  /** Labels one by one; false: there is no such name, and nothing was written. */
  function plain(name: Name, mayPoint: boolean): boolean {
    const start = length;
    room(name.length + 2);
    for (let at = 0; at < name.length; ) {
      // In the very same case: whoever asked wants to see the name as it was written.
      if (mayPoint && pointed(name.slice(at))) return true;
      const dot = name.indexOf(".", at);
      const end = dot < 0 ? name.length : dot;
      let isLabel = end > at && end - at <= LABEL_MAX_BYTES;
      buffer[length] = end - at;
      length += 1;
      for (; isLabel && at < end; at += 1) {
        const code = name.charCodeAt(at);
        buffer[length] = code;
        length += 1;
        isLabel = code <= 0xff;
      }
      if (!isLabel) {
        cut(start);
        return false;
      }
      at = end + 1;
    }
    u8(0);
    return true;
  }

  /** With dots or backslashes in labels, which is rare; nobody points here. */
  function escaped(name: Name): void {
    for (const label of labelsOf(name) ?? []) {
      u8(label.length);
      for (let at = 0; at < label.length; at += 1) u8(label.charCodeAt(at));
    }
    u8(0);
  }

  function writeName(name: Name, mayPoint: boolean): void {
    if (name.includes("\\")) escaped(name);
    else if (name.length > NAME_MAX_BYTES - 2 || !plain(name, mayPoint)) u8(0);
  }

  function cut(shorter: number): void {
    length = shorter;
    for (const [name, offset] of offsets) if (offset >= shorter) offsets.delete(name);
  }

  /** Points to these labels if they came before; else whoever comes later may point here. */
  function pointed(rest: string): boolean {
    const known = offsets.get(rest);
    if (known !== undefined) u16(0xc000 | known);
    else if (length <= POINTER_MAX) offsets.set(rest, length);
    return known !== undefined;
  }

  return {
    get length() {
      return length;
    },
    u8,
    u16,
    u32(value) {
      u16(value >>> 16);
      u16(value & 0xffff);
    },
    bytes(values) {
      room(values.length);
      buffer.set(values, length);
      length += values.length;
    },
    name: (name) => writeName(name, true),
    plainName: (name) => writeName(name, false),
    setU16(offset, value) {
      buffer[offset] = value >>> 8;
      buffer[offset + 1] = value & 0xff;
    },
    cut,
    result: () => buffer.slice(0, length),
  };
}
