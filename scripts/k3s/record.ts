import { existsSync, readFileSync } from "node:fs";
import { z } from "zod";
import { type Proof, parseProof } from "#embedded/control-plane/k3s/proof.ts";
import { type TestResult, testsIn } from "../junit.ts";
import type { Suite, SuiteRun } from "../suites.ts";

/** Goes into the executable: what `doctor` and `status` say of a version. */
export const PROOF_FILE = "embedded/control-plane/k3s/proof.json";
/** The last run in full, for the document. It is there once somebody has run the tests. */
export const RUN_FILE = "docs/k3s-run.json";

const runSchema = z.strictObject({
  version: z.string(),
  date: z.iso.date(),
  arch: z.string(),
  /** Distribution, kernel, processors and memory, for people. */
  host: z.string(),
  /** Of the executable. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  tests: z
    .array(
      z.strictObject({
        file: z.string(),
        name: z.string(),
        outcome: z.enum(["passed", "failed", "skipped"]),
      }),
    )
    .readonly(),
});

/** One run of the end-to-end tests against a real K3s. */
export type K3sRun = Readonly<z.infer<typeof runSchema>>;

/** What is known of a run before its first test. */
export type K3sRunFacts = Omit<K3sRun, "tests">;

/** A run to be written down, or why it is none. */
type Recorded = { readonly run: K3sRun } | { readonly nothing: string };

/** The run as its JUnit report tells of it, when that tells of every file of the suite. Pure. */
export function recorded(
  facts: K3sRunFacts,
  { files }: Pick<Suite, "files">,
  { report, fellOver }: Pick<SuiteRun, "report" | "fellOver">,
): Recorded {
  const run = { ...facts, tests: testsIn(report) };
  if (fellOver) return { nothing: "the tests fell over without a failure that could be counted" };
  const missing = files.filter((file) => run.tests.every((one) => one.file !== file));
  if (missing.length > 0) return { nothing: `the report has no test of ${missing.join(", ")}` };
  return count(run, "passed") === 0 ? { nothing: "not one test passed" } : { run };
}

/** The proof with this run in it. Throws when not one test passed: that is no run. Pure. */
export function proofWith({ proven }: Proof, run: K3sRun): Proof {
  const { version, date, arch } = run;
  const [passed, failed, skipped] = countsOf(run);
  const entry = { version, date, arch, passed, failed, skipped };
  const isSame = (other: typeof entry): boolean =>
    other.version === version && other.date === date && other.arch === arch;
  return parseProof({ proven: [...proven.filter((other) => !isSame(other)), entry] });
}

/** How many passed, failed and were skipped. */
export function countsOf(run: K3sRun): [passed: number, failed: number, skipped: number] {
  return [count(run, "passed"), count(run, "failed"), count(run, "skipped")];
}

function count({ tests }: K3sRun, outcome: TestResult["outcome"]): number {
  return tests.filter((one) => one.outcome === outcome).length;
}

/** The last run; undefined before the first one. Throws when the file holds something else. */
export function readRun(path: string): K3sRun | undefined {
  return existsSync(path) ? runSchema.parse(JSON.parse(readFileSync(path, "utf8"))) : undefined;
}

export function readProof(path: string): Proof {
  return parseProof(JSON.parse(readFileSync(path, "utf8")));
}
