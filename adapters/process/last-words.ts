import { withoutSecrets } from "./without-secrets.ts";

const MAX_LENGTH = 300;
/** Of one line; what it says is in its beginning. */
const LINE_MAX_LENGTH = 4_096;

/** How well a line explains an end. */
type Weight = "fatal" | "error" | "plain";

interface Words {
  readonly weight: Weight;
  readonly text: string;
}

/**
 * What in a child's output explains its end, in one line of at most 300 characters; undefined when
 * nothing does. Never a secret. Pure.
 *
 * The last line that says it is the end; without one, the last that tells an error; without one,
 * the last that is in no dialect at all. Dialects are both of logrus, klog's, Go's panics, and our
 * own JSON.
 */
export function lastWordsIn(output: string): string | undefined {
  const all = wordsIn(output.split("\n")).filter(({ text }) => text !== "");
  const words =
    all.findLast(({ weight }) => weight === "fatal") ??
    all.findLast(({ weight }) => weight === "error") ??
    all.at(-1);
  return words === undefined ? undefined : cut(words.text);
}

function wordsIn(lines: readonly string[]): readonly Words[] {
  let isTrace = false;
  return lines.flatMap((line, index) => {
    const next = lines[index + 1] ?? "";
    const words =
      logrus(line) ?? colouredLogrus(line) ?? klog(line, next) ?? ownJson(line) ?? goPanic(line);
    isTrace = words === undefined && (isTrace || isTraceBegin(line, next));
    const found = words ?? (isTrace ? undefined : plain(line));
    return found === undefined || found === "noise"
      ? []
      : [{ ...found, text: legible(found.text.slice(0, LINE_MAX_LENGTH)) }];
  });
}

/** Go's traces: a header, then pairs of a function and its place. A long one may have lost its head. */
function isTraceBegin(line: string, next: string): boolean {
  return /^goroutine \d+ .*\[/.test(line) || next.startsWith("\t/");
}

/** A line in a known dialect that explains nothing is `noise`; one in another dialect undefined. */
type Reading = Words | "noise" | undefined;

/** `time="…" level=fatal msg="cannot listen" error="…"` */
function logrus(line: string): Reading {
  const level = /^(?:time=(?:"[^"]*"|\S+) )?level=(\w+) /.exec(line)?.[1];
  if (level === undefined) return undefined;
  const fields = fieldsIn(line);
  return ofLevel(level, joined(fields.get("msg"), fields.get("error")));
}

/** `FATA[0001] cannot listen  error="…"`, with colours around the level and each name of a field. */
function colouredLogrus(line: string): Reading {
  const [before, level = "", said = "", ...fields] = line
    .slice(0, LINE_MAX_LENGTH)
    .split("\u001b[");
  const message = /^0m\[[^\]]*\] (.*)$/.exec(said)?.[1];
  if (before !== "" || !/^\d+m[A-Z]{4}$/.test(level) || message === undefined) return undefined;
  const plainFields = fields.map((piece) => piece.replace(/^\d+m/, "")).join("");
  return ofLevel(level.slice(-4), joined(message.trim(), fieldsIn(plainFields).get("error")));
}

/** A level of logrus, in words or in the four letters that go with colours. */
function ofLevel(level: string, text: string): Reading {
  // K3s ends in good order after this line, which it writes as a mere error.
  const isEnd = /^(?:fata|pani)/i.test(level) || text.includes("Shutdown request received");
  if (isEnd) return { weight: "fatal", text };
  return /^erro/i.test(level) ? { weight: "error", text } : "noise";
}

/** `E1122 07:01:02.123456  12 run.go:72] "command failed" err="…"`, the header of an `err=<` in the next line. */
function klog(line: string, next: string): Reading {
  const header = /^([IWEF])\d{4} \d\d:\d\d:\d\d\.\d+ +\d+ [^\]]*\] ?/.exec(line);
  if (header === null) return undefined;
  if (header[1] === "I" || header[1] === "W") return "noise";
  const message = line.slice(header[0].length);
  const quoted = message.startsWith('"') ? fieldsIn(`msg=${message}`) : undefined;
  const err = quoted?.get("err");
  const text = joined(quoted?.get("msg") ?? message, err === "<" ? next.trim() : err);
  return { weight: header[1] === "F" ? "fatal" : "error", text };
}

/** `{"level":50,"role":"kubelet","err":{"message":"…"},"msg":"…"}` */
function ownJson(line: string): Reading {
  const entry = line.startsWith("{") ? parsed(line) : undefined;
  if (entry === undefined || !("level" in entry)) return undefined;
  const { level, msg, err, error = err } = entry;
  const text = joined(textOf(msg), textOf(error));
  if (level === "fatal" || Number(level) >= 60) return { weight: "fatal", text };
  return level === "error" || Number(level) >= 50 ? { weight: "error", text } : "noise";
}

function goPanic(line: string): Reading {
  return /^(?:panic|fatal error): /.test(line) ? { weight: "fatal", text: line } : undefined;
}

/** What starts with the name of a program or of an error is the program's own farewell. */
function plain(line: string): Words | undefined {
  // The rest of something longer: a trace, a usage text.
  if (/^\s/.test(line)) return undefined;
  const isError = /^(?:[a-z][\w.-]*|\w*Error|Incorrect Usage): ?\S/.test(line);
  return { weight: isError ? "error" : "plain", text: line };
}

/** The fields of a logfmt line; quotes that were never closed reach to its end. */
function fieldsIn(line: string): ReadonlyMap<string, string> {
  const fields = line
    .slice(0, LINE_MAX_LENGTH)
    .matchAll(/([\w.-]+)=(?:"((?:[^"\\]|\\.)*)(?:"|\\?$)|(\S*))/g);
  return new Map(
    [...fields].map(([, name = "", quoted, bare = ""]) => [name, unquoted(quoted ?? bare)]),
  );
}

function unquoted(text: string): string {
  return text.replace(/\\(.)/g, (_, char: string) => ("ntr".includes(char) ? " " : char));
}

function joined(message = "", cause = ""): string {
  return [message, cause].filter((part) => part !== "").join(": ");
}

function parsed(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

/** Of a message, or of an error as our logger writes it down. */
function textOf(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  return typeof value === "object" && value !== null && "message" in value
    ? textOf(value.message)
    : undefined;
}

/** One line without colours, control characters and secrets. */
function legible(text: string): string {
  return withoutSecrets(
    text
      .replace(/\p{Cc}\[[0-9;?]*[ -/]*[@-~]/gu, "")
      .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s]+/gu, " ")
      .trim(),
  );
}

function cut(text: string): string {
  const short = text.length <= MAX_LENGTH ? text : `${text.slice(0, MAX_LENGTH - 1)}…`;
  // A message may hold half a character, and one may have been cut in two just now.
  return short.toWellFormed();
}
