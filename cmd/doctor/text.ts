import type { CheckResult } from "./check.ts";

interface Colors {
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly green: (text: string) => string;
  readonly red: (text: string) => string;
}

/** The results for people: a line for each, and for each failure what is expected and what to do. */
export function doctorText(results: readonly CheckResult[], colors: Colors): string {
  const width = Math.max(...results.map(({ id }) => id.length));
  const count = (outcome: CheckResult["outcome"]): number =>
    results.filter((result) => result.outcome === outcome).length;
  const [failures, passes, skips] = [count("failed"), count("ok"), count("skipped")];
  const summary = `${passes} ok, ${failures} failed, ${skips} skipped`;
  const lines = results.flatMap((result) => linesFor(result, width, colors));
  return `${[...lines, "", failures === 0 ? colors.green(summary) : colors.red(summary)].join("\n")}\n`;
}

function linesFor(result: CheckResult, width: number, colors: Colors): readonly string[] {
  const { id, outcome, observed, expected, remedy } = result;
  const mark = {
    ok: colors.green("✓"),
    failed: colors.red("✗"),
    skipped: colors.dim("-"),
  }[outcome];
  const line = `${mark} ${id.padEnd(width)}  ${outcome === "skipped" ? colors.dim(observed) : observed}`;
  if (outcome !== "failed") return [line];
  const indent = " ".repeat(width + 4);
  return [
    line,
    `${indent}expected: ${expected}`,
    ...(remedy === undefined ? [] : [`${indent}${colors.bold("remedy:")} ${remedy}`]),
  ];
}
