export interface Totals {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
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
