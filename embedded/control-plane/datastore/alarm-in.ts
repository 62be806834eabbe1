import type { AlarmKind } from "./alarms.ts";

/** kine writes down every statement from 1 s on, and as a warning from this on. */
const VERY_SLOW_MS = 5_000;
/** Of one line; a statement of kine's is a tenth of it. */
const LINE_MAX_LENGTH = 16_384;

/** The end of a message: SQLite's own words, with the result code that its Go form adds. */
const LOCKED = endingIn("database (?:table )?is locked(?:: \\w+)?");
const FULL = endingIn("(?:database or disk is full|no space left on device)");

/** kine before 0.16 tells the times in brackets first: `Slow SQL (started: …) (total time: …): …`. */
const SLOW = /^Slow SQL(?:: | \(started: )/;

/**
 * The alarm that a line of the datastore's log means; undefined for almost all of them. Total.
 *
 * Lines are kine's, in either form of logrus (colours as its own program, plain inside K3s), and
 * klog's beside them. Looked for is what they say, never what they quote: keys and objects are
 * anybody's words.
 */
export function alarmIn(line: string): AlarmKind | undefined {
  const { message, fields } = partsOf(line.slice(0, LINE_MAX_LENGTH).trimEnd());
  // The cause before what it kept from happening. Whoever waits for a lock to write says nothing:
  // that somebody holds it comes out when a compaction fails for it.
  if (FULL.test(message)) return "disk-full";
  if (LOCKED.test(message)) return "locked";
  if (message.startsWith("Compact failed: ")) return "compact-failed";
  if (!SLOW.test(message)) return undefined;
  const durationMs = goDurationMs(/(?:^| )duration=(\S+)/.exec(fields)?.[1] ?? "");
  return durationMs >= VERY_SLOW_MS ? "very-slow-sql" : "slow-sql";
}

/** What Go writes for a duration: `1m1.000000131s`; 0 for what is none. */
export function goDurationMs(text: string): number {
  if (!/^(?:[\d.]+(?:h|ms|m|µs|ns|s))+$/.test(text)) return 0;
  const units = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1, µs: 1e-3, ns: 1e-6 } as const;
  const parts = [...text.matchAll(/([\d.]+)(h|ms|m|µs|ns|s)/g)];
  return parts.reduce((sum, [, number, unit]) => {
    const unitMs = Object.entries(units).find(([name]) => name === unit)?.[1] ?? 0;
    return sum + Number(number) * unitMs;
  }, 0);
}

interface Parts {
  readonly message: string;
  readonly fields: string;
}

function partsOf(line: string): Parts {
  return plainLogrus(line) ?? colouredLogrus(line) ?? klog(line) ?? { message: line, fields: "" };
}

/** `time="…" level=info msg="Slow SQL: …" duration=1.2s name=Count` */
function plainLogrus(line: string): Parts | undefined {
  const parts = /^(?:time=\S+ )?level=\w+ msg=(?:"((?:[^"\\]|\\.)*)"|(\S*))(.*)$/.exec(line);
  if (parts === null) return undefined;
  const [, quoted, bare = "", fields = ""] = parts;
  return { message: quoted?.replace(/\\(.)/g, "$1") ?? bare, fields };
}

/** `INFO[2026-…] Slow SQL: …  duration=1.2s name=Count`, with colours around level and names. */
function colouredLogrus(line: string): Parts | undefined {
  const [before, level = "", said = "", ...fields] = line.split("\u001b[");
  const message = /^0m\[[^\]]*\] (.*)$/.exec(said)?.[1];
  if (before !== "" || !/^\d+m[A-Z]{4}$/.test(level) || message === undefined) return undefined;
  const text = fields.map((piece) => piece.replace(/^\d+m/, "")).join("");
  return { message: message.trimEnd(), fields: text };
}

/** `E1122 07:01:02.123456  12 status.go:71] "Unhandled Error" err="…: database is locked"` */
function klog(line: string): Parts | undefined {
  const rest = /^[IWEF]\d{4} \d\d:\d\d:\d\d\.\d+ +\d+ [^\]]*\] (.*)$/.exec(line)?.[1];
  if (rest === undefined) return undefined;
  const err = / err="((?:[^"\\]|\\.)*)"/.exec(rest)?.[1];
  return { message: err?.replace(/\\(.)/g, "$1") ?? rest, fields: "" };
}

function endingIn(words: string): RegExp {
  return new RegExp(`(?:^|[:=] )${words}(?: \\(\\d+\\))?(?: \\(SQLITE_\\w+\\))?$`);
}
