/**
 * A domain name as text, no dot at the end, case as it came; the root is `""`. A dot or backslash
 * within a label stands behind a backslash; bytes beyond ASCII are the characters of that number.
 */
export type Name = string;

export const NAME_MAX_BYTES = 255;
export const LABEL_MAX_BYTES = 63;

/**
 * The name at `offset` and where what follows it begins; `undefined` when there is none.
 *
 * Pointers must lead backwards, each further than the one before: no loop, no long chase.
 */
export function nameAt(
  bytes: Uint8Array,
  offset: number,
): { readonly name: Name; readonly end: number } | undefined {
  let name = "";
  let length = 1;
  let end: number | undefined;
  let at = offset;
  let bound = offset;

  for (;;) {
    const size = bytes[at];
    if (size === undefined) return undefined;
    if (size === 0) return { name, end: end ?? at + 1 };
    if (size >= 0xc0) {
      const target = ((size & 0x3f) << 8) | (bytes[at + 1] ?? 0);
      if (at + 1 >= bytes.length || target >= bound) return undefined;
      end ??= at + 2;
      at = target;
      bound = target;
      continue;
    }
    length += size + 1;
    if (size > LABEL_MAX_BYTES || length > NAME_MAX_BYTES || at + size >= bytes.length) {
      return undefined;
    }
    name += (name === "" ? "" : ".") + labelText(bytes, at + 1, size);
    at += size + 1;
  }
}

/** The labels of a name; `undefined` when it cannot be written to the wire. */
export function labelsOf(name: Name): readonly string[] | undefined {
  if (name === "") return [];
  const labels: string[] = [];
  let label = "";
  let length = 1;
  for (let at = 0; at <= name.length; at += 1) {
    const character = name[at];
    if (character === "." || character === undefined) {
      length += label.length + 1;
      if (label === "" || label.length > LABEL_MAX_BYTES || length > NAME_MAX_BYTES) {
        return undefined;
      }
      labels.push(label);
      label = "";
      continue;
    }
    if (character === "\\") at += 1;
    const plain = character === "\\" ? (name[at] ?? "") : character;
    if (plain.charCodeAt(0) > 0xff) return undefined;
    label += plain;
  }
  return labels;
}

/** For comparing: DNS names are the same whatever their ASCII case. */
export function canonical(name: Name): Name {
  return /[A-Z]/.test(name) ? name.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase()) : name;
}

export function isWithin(name: Name, parent: Name): boolean {
  return name === parent || name.endsWith(`.${parent}`);
}

function labelText(bytes: Uint8Array, offset: number, size: number): string {
  let text = "";
  for (let at = offset; at < offset + size; at += 1) {
    const byte = bytes[at] ?? 0;
    if (byte === 0x2e || byte === 0x5c) text += "\\";
    text += String.fromCharCode(byte);
  }
  return text;
}
