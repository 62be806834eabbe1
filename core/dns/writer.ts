import { labelsOf, type Name } from "./name.ts";

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

  function label(text: string): void {
    self.u8(text.length);
    for (let at = 0; at < text.length; at += 1) self.u8(text.charCodeAt(at));
  }

  const self: Writer = {
    get length() {
      return length;
    },
    u8(value) {
      room(1);
      buffer[length] = value;
      length += 1;
    },
    u16(value) {
      self.u8(value >>> 8);
      self.u8(value & 0xff);
    },
    u32(value) {
      self.u16(value >>> 16);
      self.u16(value & 0xffff);
    },
    bytes(values) {
      room(values.length);
      buffer.set(values, length);
      length += values.length;
    },
    name(name) {
      const labels = labelsOf(name) ?? [];
      for (const [index, text] of labels.entries()) {
        // In the very same case: whoever asked wants to see the name as it was written.
        const rest = labels.slice(index).join("\0");
        const known = offsets.get(rest);
        if (known !== undefined) {
          self.u16(0xc000 | known);
          return;
        }
        if (length <= POINTER_MAX) offsets.set(rest, length);
        label(text);
      }
      self.u8(0);
    },
    plainName(name) {
      for (const text of labelsOf(name) ?? []) label(text);
      self.u8(0);
    },
    setU16(offset, value) {
      buffer[offset] = value >>> 8;
      buffer[offset + 1] = value & 0xff;
    },
    cut(shorter) {
      length = shorter;
      for (const [name, offset] of offsets) if (offset >= shorter) offsets.delete(name);
    },
    result: () => buffer.slice(0, length),
  };
  return self;
}
