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
  let carry = new Uint8Array(0);
  let isLineStart = true;
  let left = limitBytes ?? Number.POSITIVE_INFINITY;

  function shown(line: Uint8Array): readonly Uint8Array[] {
    const parts = partsOf(line);
    if (parts === undefined) return [];
    if (sinceMs !== undefined && instantOf(parts.time) < sinceMs) return [];
    const prefix = timestamps && isLineStart ? [Buffer.from(`${utc(parts.time)} `)] : [];
    isLineStart = !parts.isPartial;
    return [...prefix, parts.text, ...(parts.isPartial ? [] : [Uint8Array.of(NEWLINE)])];
  }

  return {
    isFull: () => left <= 0,

    push(chunk) {
      const bytes = carry.length === 0 ? chunk : Buffer.concat([carry, chunk]);
      const output: Uint8Array[] = [];
      let start = 0;
      for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
        output.push(...shown(bytes.subarray(start, end)));
        start = end + 1;
      }
      carry = new Uint8Array(bytes.subarray(start));
      const all = Buffer.concat(output);
      const kept = all.length > left ? all.subarray(0, left) : all;
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
    const parts = partsOf(bytes.subarray(start, end));
    const isKnown = isWhole || start > 0;
    start = end + 1;
    if (isKnown && parts?.isPartial !== true && start < bytes.length) starts.push(start);
  }
  return starts.at(-lines);
}

/** How many lines there are; a last line without its end counts. */
export function lineCount(bytes: Uint8Array): number {
  let count = 0;
  let start = 0;
  let isOpen = false;
  for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
    isOpen = partsOf(bytes.subarray(start, end))?.isPartial === true;
    if (!isOpen) count += 1;
    start = end + 1;
  }
  return isOpen || start < bytes.length ? count + 1 : count;
}

interface LineParts {
  readonly time: string;
  readonly isPartial: boolean;
  readonly text: Uint8Array;
}

function partsOf(line: Uint8Array): LineParts | undefined {
  const timeEnd = line.indexOf(SPACE);
  if (timeEnd < 0 || timeEnd > TIME_MAX_CHARS) return undefined;
  const streamEnd = line.indexOf(SPACE, timeEnd + 1);
  if (streamEnd < 0) return undefined;
  const tagEnd = line.indexOf(SPACE, streamEnd + 1);
  if (tagEnd < 0) return undefined;
  return {
    time: Buffer.from(line.subarray(0, timeEnd)).toString("latin1"),
    isPartial: line[streamEnd + 1] === PARTIAL,
    text: line.subarray(tagEnd + 1),
  };
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
