/** Where a text stops being JSON, as `line L, column C`. Only asked once `JSON.parse` refused it. */
export function positionOfError(text: string): string {
  const at = endOfValue(text, 0);
  const offset = Math.min(at < 0 ? -at - 1 : skipSpace(text, at), text.length);
  const before = text.slice(0, offset);
  const line = before.split("\n").length;
  return `line ${line}, column ${offset - (before.lastIndexOf("\n") + 1) + 1}`;
}

const SPACE = /[ \t\r\n]*/y;
const SCALAR =
  /(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|"(?:[^"\\\p{Cc}]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*")/uy;

/** Deeper than any real body; a guard for the stack. */
const MAX_DEPTH = 2_000;

function skipSpace(text: string, at: number): number {
  SPACE.lastIndex = at;
  SPACE.test(text);
  return SPACE.lastIndex;
}

/** The offset after the value at `from`, or `-(offset + 1)` of the first wrong character. */
function endOfValue(text: string, from: number, depth = 0): number {
  const at = skipSpace(text, from);
  const open = text[at];
  if (depth > MAX_DEPTH) return -(at + 1);
  if (open === "{" || open === "[") return endOfGroup(text, at, depth);
  SCALAR.lastIndex = at;
  return SCALAR.test(text) ? SCALAR.lastIndex : -(at + 1);
}

function endOfGroup(text: string, start: number, depth: number): number {
  const isObject = text[start] === "{";
  const close = isObject ? "}" : "]";
  let at = skipSpace(text, start + 1);
  if (text[at] === close) return at + 1;
  for (;;) {
    if (isObject) {
      if (text[at] !== '"') return -(at + 1);
      const key = endOfValue(text, at, depth + 1);
      if (key < 0) return key;
      at = skipSpace(text, key);
      if (text[at] !== ":") return -(at + 1);
      at += 1;
    }
    const end = endOfValue(text, at, depth + 1);
    if (end < 0) return end;
    at = skipSpace(text, end);
    if (text[at] === close) return at + 1;
    if (text[at] !== ",") return -(at + 1);
    at = skipSpace(text, at + 1);
  }
}
