import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { z } from "zod";

const testResult = z.object({
  outcome: z.enum(["passed", "failed"]),
  seconds: z.number(),
  /** What went wrong, in one line; empty when nothing did. */
  message: z.string(),
  /** The executable it ran against; another build may do better. */
  build: z.string(),
});

/** How one test ended the last time it ran. */
export type TestResult = Readonly<z.infer<typeof testResult>>;

/** By name of the test, without the `[Conformance]` that ends all of them. */
export type Results = Readonly<Record<string, TestResult>>;

/** The results that earlier runs left in `file`; none when there is no file. */
export function readResults(file: string): Results {
  if (!existsSync(file)) return {};
  return z.record(z.string(), testResult).parse(JSON.parse(readFileSync(file, "utf8")));
}

/** Replaces the file in one step: a run that is cut leaves a whole one. */
export function writeResults(file: string, results: Results): void {
  mkdirSync(dirname(file), { recursive: true });
  const sorted = Object.fromEntries(
    Object.entries(results).toSorted(([a], [b]) => a.localeCompare(b)),
  );
  writeFileSync(`${file}.tmp`, `${JSON.stringify(sorted, null, 1)}\n`);
  renameSync(`${file}.tmp`, file);
}

/** What a JUnit report of Ginkgo tells of the one test of it that ran; undefined when none did. */
export function outcomeIn(junit: string): Pick<TestResult, "outcome" | "message"> | undefined {
  for (const [, attributes = "", body = ""] of junit.matchAll(TEST_CASE)) {
    if (!attributeOf(attributes, "name").startsWith("[It]")) continue;
    const status = attributeOf(attributes, "status");
    if (status === "skipped" && attributeOf(body, "message") === "skipped") continue;
    if (status === "passed") return { outcome: "passed", message: "" };
    if (status === "timedout") return { outcome: "failed", message: "not done in time" };
    return { outcome: "failed", message: sentenceOf(attributeOf(body, "message") || status) };
  }
  return failedSetUpIn(junit);
}

/** The tests of `wanted` that have no result of this build yet. */
export function remaining(
  wanted: readonly string[],
  results: Results,
  build: string,
): readonly string[] {
  return wanted.filter((name) => results[name]?.build !== build);
}

/** What the test was about when it failed or was cut, as its log tells; empty when it never said. */
export function lastStepIn(log: string): string {
  const end = log.search(/\[(?:FAILED|TIMEDOUT|PANICKED)\] /);
  const steps = log
    .slice(0, end === -1 ? undefined : end)
    .matchAll(/STEP: (.*?)(?: @ [\d/ :.]+)?$/gm);
  return sentenceOf([...steps].at(-1)?.[1] ?? "");
}

/** The first line of what a log says went wrong; empty when it does not. */
export function failureIn(log: string): string {
  const found = /^\s*\[(?:FAILED|PANICKED)\] (?!in \[|\[)(.+)$/m.exec(log)?.[1] ?? "";
  return sentenceOf(found);
}

const TEST_CASE = /<testcase\b([^>]*?)(?:\/>|>([\s\S]*?)<\/testcase>)/g;

/** A suite that could not even begin: the reason is on its first node. */
function failedSetUpIn(junit: string): Pick<TestResult, "outcome" | "message"> | undefined {
  for (const [, attributes = "", body = ""] of junit.matchAll(TEST_CASE)) {
    if (!["failed", "panicked", "timedout"].includes(attributeOf(attributes, "status"))) continue;
    return { outcome: "failed", message: sentenceOf(attributeOf(body, "message")) };
  }
  return undefined;
}

function attributeOf(text: string, name: string): string {
  return unescaped(new RegExp(`\\b${name}="([^"]*)"`).exec(text)?.[1] ?? "");
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&lt;": "<",
  "&gt;": ">",
  "&quot;": '"',
  "&apos;": "'",
  "&amp;": "&",
};

function unescaped(text: string): string {
  return text
    .replaceAll(/&#(x?)([0-9a-fA-F]+);/g, (_, hex, digits) =>
      String.fromCodePoint(Number.parseInt(digits, hex === "x" ? 16 : 10)),
    )
    .replaceAll(/&(?:lt|gt|quot|apos|amp);/g, (entity) => ENTITIES[entity] ?? entity);
}

/** One line, short enough for a table. */
function sentenceOf(message: string): string {
  const line = message.replaceAll(/\s+/g, " ").trim();
  return line.length > 300 ? `${line.slice(0, 299)}…` : line;
}
