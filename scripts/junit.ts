export interface Totals {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** One test as a report tells of it. */
export interface TestResult {
  readonly file: string;
  /** With the names of the groups it is in. */
  readonly name: string;
  readonly outcome: "passed" | "failed" | "skipped";
}

/** Sums up a JUnit report as `bun test --reporter=junit` writes it. */
export function totalsOf(report: string): Totals {
  const root = /<testsuites\b[^>]*>/.exec(report)?.[0] ?? "";
  const count = (name: string): number =>
    Number(new RegExp(`\\b${name}="(\\d+)"`).exec(root)?.[1] ?? 0);
  const failed = count("failures") + count("errors");
  const skipped = count("skipped");
  return { passed: count("tests") - failed - skipped, failed, skipped };
}

export function sumOf(all: readonly Totals[]): Totals {
  return {
    passed: all.reduce((sum, totals) => sum + totals.passed, 0),
    failed: all.reduce((sum, totals) => sum + totals.failed, 0),
    skipped: all.reduce((sum, totals) => sum + totals.skipped, 0),
  };
}

/** Every test of such a report, in its order. */
export function testsIn(report: string): readonly TestResult[] {
  const cases = report.matchAll(/<testcase\b([^>]*?)(?:\/>|>(.*?)<\/testcase>)/gs);
  return [...cases].map(([, attributes = "", body = ""]) => {
    // Groups are told from the inside out.
    const groups = attributeOf(attributes, "classname").split(" > ").toReversed();
    const names = [...groups, attributeOf(attributes, "name")].filter((name) => name !== "");
    return {
      file: attributeOf(attributes, "file"),
      name: names.join(": "),
      outcome: outcomeIn(body),
    };
  });
}

/** The failed tests of such a report, each as lines for people: where and which, then why. */
export function failuresIn(report: string): readonly string[] {
  const reasons = [...report.matchAll(/<(?:failure|error)\b([^>]*)>/g)].map(([, attributes = ""]) =>
    attributeOf(attributes, "message").trim(),
  );
  const failed = testsIn(report).filter(({ outcome }) => outcome === "failed");
  return failed.map(({ file, name }, at) =>
    [`${file}: ${name}`, ...linesOf(reasons[at] ?? "")].join("\n    "),
  );
}

/** Long enough for what was expected and what came, as far as either is short. */
const REASON_LINES = 8;
const LINE_LENGTH = 200;

function linesOf(reason: string): readonly string[] {
  const lines = reason.split("\n").filter((line) => line.trim() !== "");
  const shown = lines.slice(0, REASON_LINES).map((line) => line.slice(0, LINE_LENGTH));
  return lines.length > REASON_LINES ? [...shown, "…"] : shown;
}

/** What a line `N passed, N failed, N skipped` says; no such line is a failure. Pure. */
export function totalsInLine(text: string): Totals {
  const count = (word: string): number => Number(new RegExp(`(\\d+) ${word}`).exec(text)?.[1] ?? 0);
  if (!/\d+ passed, \d+ failed/.test(text)) return { passed: 0, failed: 1, skipped: 0 };
  return { passed: count("passed"), failed: count("failed"), skipped: count("skipped") };
}

export function lineOf({ passed, failed, skipped }: Totals): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}

function outcomeIn(body: string): TestResult["outcome"] {
  if (/<(failure|error)\b/.test(body)) return "failed";
  return body.includes("<skipped") ? "skipped" : "passed";
}

function attributeOf(attributes: string, name: string): string {
  const text = new RegExp(`(?:^|\\s)${name}="([^"]*)"`).exec(attributes)?.[1] ?? "";
  return text.replace(/&(lt|gt|quot|apos|amp|#\d+);/g, (_, entity: string) => charFor(entity));
}

const CHARS: Readonly<Record<string, string>> = {
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
  amp: "&",
};

function charFor(entity: string): string {
  return CHARS[entity] ?? String.fromCodePoint(Number(entity.slice(1)));
}
