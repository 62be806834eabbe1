import { expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  failureIn,
  lastStepIn,
  outcomeIn,
  readResults,
  remaining,
  type TestResult,
  writeResults,
} from "./results.ts";

const NAME = "[It] [sig-node] Pods should run [Conformance]";
const SET_UP = '<testcase name="[SynchronizedBeforeSuite]" status="passed" time="0.1"></testcase>';

const reportOf = (...cases: readonly string[]): string =>
  `<testsuites><testsuite name="Kubernetes e2e suite">${[SET_UP, ...cases].join("\n")}</testsuite></testsuites>`;

test("a test that passed is seen between the suite's own nodes", () => {
  const report = reportOf(`<testcase name="${NAME}" status="passed" time="2.5"></testcase>`);

  expect(outcomeIn(report)).toEqual({ outcome: "passed", message: "" });
});

test("a failure comes in one line, in the suite's own words", () => {
  const failure =
    '<failure message="expected &lt;int&gt;: 1&#xA;   to equal &#34;2&#34;" type="failed">at x.go:1</failure>';
  const report = reportOf(
    `<testcase name="${NAME}" status="failed" time="9">${failure}</testcase>`,
  );

  expect(outcomeIn(report)).toEqual({
    outcome: "failed",
    message: 'expected <int>: 1 to equal "2"',
  });
});

test("a test that was cut failed", () => {
  const failure = '<failure message="A suite timeout occurred" type="timedout"></failure>';
  const report = reportOf(`<testcase name="${NAME}" status="timedout">${failure}</testcase>`);

  expect(outcomeIn(report)).toEqual({ outcome: "failed", message: "not done in time" });
});

test("a test that skips itself has not passed", () => {
  const skipped = '<skipped message="skipped - no IPv4 here"></skipped>';
  const report = reportOf(`<testcase name="${NAME}" status="skipped">${skipped}</testcase>`);

  expect(outcomeIn(report)).toEqual({ outcome: "failed", message: "skipped - no IPv4 here" });
});

test("a suite that could not begin says why", () => {
  const failure = '<failure message="no node is schedulable" type="failed"></failure>';
  const report = `<testsuites><testcase name="[SynchronizedBeforeSuite]" status="failed">${failure}</testcase></testsuites>`;

  expect(outcomeIn(report)).toEqual({ outcome: "failed", message: "no node is schedulable" });
});

test("a failure is placed by the last step before it", () => {
  const log = `  STEP: creating the pod @ 11/24/26 13:29:42.74
  STEP: waiting for it @ 11/24/26 13:29:43.1
  [FAILED] in [It] - pods.go:1
  STEP: Destroying namespace "x" @ 11/24/26 13:29:44`;

  expect(lastStepIn(log)).toBe("waiting for it");
  expect(lastStepIn("nothing")).toBe("");
});

test("a failure is told by the log's first words of it", () => {
  const log = `  [FAILED] in [It] - pods.go:1
• [FAILED] [2.2 seconds]
  [FAILED] Unexpected logs:
  In [It] at: pods.go:1`;

  expect(failureIn(log)).toBe("Unexpected logs:");
  expect(failureIn("PASS")).toBe("");
});

test("a report without any test has no outcome", () => {
  expect(outcomeIn(reportOf())).toBeUndefined();
  expect(outcomeIn("")).toBeUndefined();
});

test("a run goes on where the last one of the same build stopped", () => {
  const result: TestResult = { outcome: "failed", seconds: 1, message: "no", build: "b1" };

  expect(remaining(["a", "b"], { a: result }, "b1")).toEqual(["b"]);
  expect(remaining(["a", "b"], { a: result }, "b2")).toEqual(["a", "b"]);
});

test("results are what was written, and only that", () => {
  const folder = mkdtempSync(join(tmpdir(), "fks-results-"));
  const file = join(folder, "more", "results.json");
  const result: TestResult = { outcome: "passed", seconds: 1.5, message: "", build: "b1" };

  expect(readResults(file)).toEqual({});
  writeResults(file, { b: result, a: result });

  expect(readResults(file)).toEqual({ a: result, b: result });
  expect(readdirSync(join(folder, "more"))).toEqual(["results.json"]);
  rmSync(folder, { recursive: true });
});
