import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { parseProof } from "#embedded/control-plane/k3s/proof.ts";
import { suiteRunOf } from "../suites.ts";
import {
  countsOf,
  PROOF_FILE,
  proofWith,
  RUN_FILE,
  readProof,
  readRun,
  recorded,
} from "./record.ts";
import { FACTS, REPORT, REPORT_WITH_SKIPPED, RUN } from "./sample-run.ts";

const SUITE = { files: ["test/e2e/one-pod.test.ts", "test/e2e/k3s.test.ts"] };

test("a run names every test of the report and how it ended", () => {
  expect(recorded(FACTS, SUITE, suiteRunOf(1, REPORT))).toEqual({ run: RUN });
  expect(countsOf(RUN)).toEqual([2, 1, 0]);
  expect(RUN.tests[0]).toEqual({
    file: "test/e2e/one-pod.test.ts",
    name: "one Pod: kubectl logs gives output",
    outcome: "passed",
  });
});

test("a run goes to the proof of its version, and takes the place of one of the same day", () => {
  const earlier = {
    version: "v1.36.3+k3s1",
    date: "2026-11-01",
    arch: "arm64",
    passed: 9,
    failed: 0,
    skipped: 0,
  };
  const once = proofWith(parseProof({ proven: [earlier] }), RUN);
  expect(once.proven).toEqual([
    earlier,
    {
      version: "v1.36.4+k3s1",
      date: "2026-12-01",
      arch: "amd64",
      passed: 2,
      failed: 1,
      skipped: 0,
    },
  ]);
  expect(proofWith(once, RUN)).toEqual(once);
});

test("what was skipped goes into the proof", () => {
  const outcome = recorded(FACTS, SUITE, suiteRunOf(1, REPORT_WITH_SKIPPED));
  if (!("run" in outcome)) throw new Error(outcome.nothing);
  expect(proofWith({ proven: [] }, outcome.run).proven).toMatchObject([
    { passed: 1, failed: 1, skipped: 1 },
  ]);
});

test("a suite that fell over is not recorded, however much of it passed", () => {
  const passed = REPORT.replace('failures="1"', 'failures="0"').replace(/<failure [^>]*>/, "");
  expect(recorded(FACTS, SUITE, suiteRunOf(0, passed))).toHaveProperty("run");
  expect(recorded(FACTS, SUITE, suiteRunOf(1, passed))).toEqual({
    nothing: "the tests fell over without a failure that could be counted",
  });
});

test("a file without a test in the report keeps the run from being recorded, failures or none", () => {
  const files = [...SUITE.files, "test/e2e/a.test.ts", "test/e2e/b.test.ts"];
  expect(recorded(FACTS, { files }, suiteRunOf(1, REPORT))).toEqual({
    nothing: "the report has no test of test/e2e/a.test.ts, test/e2e/b.test.ts",
  });
});

test("a run in which nothing passed proves nothing", () => {
  expect(recorded(FACTS, { files: [] }, suiteRunOf(0, ""))).toEqual({
    nothing: "not one test passed",
  });
  expect(() => proofWith({ proven: [] }, { ...FACTS, tests: [] })).toThrow();
});

test("what the repository holds can be read", () => {
  expect(readProof(PROOF_FILE).proven).toBeArray();
  expect(readRun(RUN_FILE) === undefined).toBe(!existsSync(RUN_FILE));
});
