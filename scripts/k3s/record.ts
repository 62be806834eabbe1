import { existsSync, readFileSync } from "node:fs";
import { z } from "zod";
import { type Proof, parseProof } from "#embedded/control-plane/k3s/proof.ts";
import { type TestResult, testsIn } from "../junit.ts";

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

/** The run as a JUnit report tells of it. Pure. */
export function runOf(facts: K3sRunFacts, report: string): K3sRun {
  return { ...facts, tests: testsIn(report) };
}

/** The proof with this run in it. Throws when not one test passed: that is no run. Pure. */
export function proofWith({ proven }: Proof, run: K3sRun): Proof {
  const { version, date, arch } = run;
  const passed = count(run, "passed");
  const entry = { version, date, arch, passed, failed: count(run, "failed") };
  const isSame = (other: typeof entry): boolean =>
    other.version === version && other.date === date && other.arch === arch;
  return parseProof({ proven: [...proven.filter((other) => !isSame(other)), entry] });
}

export function count({ tests }: K3sRun, outcome: TestResult["outcome"]): number {
  return tests.filter((one) => one.outcome === outcome).length;
}

/** The last run; undefined before the first one. Throws when the file holds something else. */
export function readRun(path: string): K3sRun | undefined {
  return existsSync(path) ? runSchema.parse(JSON.parse(readFileSync(path, "utf8"))) : undefined;
}

export function readProof(path: string): Proof {
  return parseProof(JSON.parse(readFileSync(path, "utf8")));
}
