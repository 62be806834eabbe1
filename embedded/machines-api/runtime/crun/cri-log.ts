/**
 * Lines as conmon writes them, `TIME stdout|stderr F|P text`, and as `kubectl logs` prints them. Pure.
 * `P` is a part of a line: its text has no newline and the next line goes on with it.
 */
const NEWLINE = 0x0a;
const SPACE = 0x20;
const PARTIAL = "P".charCodeAt(0);

const TIME_MAX_CHARS = 64;

export interface LogFormat {
  readonly timestamps: boolean;
  /** Lines before this instant are left out. */
  readonly sinceMs: number | undefined;
  readonly limitBytes: number | undefined;
}

export interface LogFormatter {
  /** Takes the file's bytes as they come, cut anywhere, and gives what is to be printed. */
  push(chunk: Uint8Array): Uint8Array;
  /** Whether `limitBytes` were given out. */
  isFull(): boolean;
}

export function logFormatter({ timestamps, sinceMs, limitBytes }: LogFormat): LogFormatter {
  let carry = Buffer.alloc(0);
  let isLineStart = true;
  let left = limitBytes ?? Number.POSITIVE_INFINITY;

  /** Writes what is shown of the line of `bytes` from `start` to `end`; gives where to go on. */
  function show(bytes: Buffer, start: number, end: number, output: Buffer, at: number): number {
    const head = headOf(bytes, start, end);
    if (head === undefined) return at;
    const time = sinceMs === undefined && !timestamps ? "" : timeIn(bytes, start);
    if (sinceMs !== undefined && instantOf(time) < sinceMs) return at;
    const prefix = timestamps && isLineStart ? output.write(`${utc(time)} `, at, "latin1") : 0;
    isLineStart = !head.isPartial;
    return at + prefix + bytes.copy(output, at + prefix, head.text, head.isPartial ? end : end + 1);
  }

  return {
    isFull: () => left <= 0,

    push(chunk) {
      const bytes = Buffer.concat([carry, chunk]);
      // What is shown of a line is never longer than the line.
      const output = Buffer.allocUnsafe(bytes.length);
      let filled = 0;
      let start = 0;
      for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
        filled = show(bytes, start, end, output, filled);
        start = end + 1;
      }
      carry = bytes.subarray(start);
      const kept = output.subarray(0, Math.min(filled, left));
      left -= kept.length;
      return kept;
    },
  };
}

/**
 * Where the last `lines` lines start in `bytes`; undefined when they start before it.
 * `isWhole`: `bytes` begins with the beginning of a line.
 */
export function tailStart(bytes: Uint8Array, lines: number, isWhole: boolean): number | undefined {
  if (lines <= 0) return bytes.length;
  const starts: number[] = isWhole ? [0] : [];
  let start = 0;
  for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
    const isPartial = headOf(bytes, start, end)?.isPartial === true;
    const isKnown = isWhole || start > 0;
    start = end + 1;
    if (isKnown && !isPartial && start < bytes.length) starts.push(start);
  }
  return starts.at(-lines);
}

/** How many lines there are; a last line without its end counts. */
export function lineCount(bytes: Uint8Array): number {
  let count = 0;
  let start = 0;
  let isOpen = false;
  for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
    isOpen = headOf(bytes, start, end)?.isPartial === true;
    if (!isOpen) count += 1;
    start = end + 1;
  }
  return isOpen || start < bytes.length ? count + 1 : count;
}

interface LineHead {
  readonly isPartial: boolean;
  /** Where the text begins. */
  readonly text: number;
}

/** Of the line from `start` to `end`; undefined for what conmon did not write. */
function headOf(bytes: Uint8Array, start: number, end: number): LineHead | undefined {
  const timeEnd = bytes.indexOf(SPACE, start);
  if (timeEnd < 0 || timeEnd > start + TIME_MAX_CHARS) return undefined;
  const streamEnd = bytes.indexOf(SPACE, timeEnd + 1);
  if (streamEnd < 0) return undefined;
  const tagEnd = bytes.indexOf(SPACE, streamEnd + 1);
  if (tagEnd < 0 || tagEnd >= end) return undefined;
  return { isPartial: bytes[streamEnd + 1] === PARTIAL, text: tagEnd + 1 };
}

function timeIn(bytes: Buffer, start: number): string {
  return bytes.toString("latin1", start, bytes.indexOf(SPACE, start));
}

/** conmon writes UTC as an offset. */
function utc(time: string): string {
  return time.endsWith("+00:00") ? `${time.slice(0, -6)}Z` : time;
}

/** Milliseconds; what cannot be read counts as new. */
function instantOf(time: string): number {
  const parsed = Date.parse(time);
  return Number.isNaN(parsed) ? Number.POSITIVE_INFINITY : parsed;
}
