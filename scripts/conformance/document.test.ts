import { expect, test } from "bun:test";
import { documentOf } from "./document.ts";
import type { TestResult } from "./results.ts";

const PASSED: TestResult = { outcome: "passed", seconds: 1, message: "", build: "b" };
const FAILED: TestResult = { outcome: "failed", seconds: 1, message: "timed out", build: "b" };

const TESTS = [
  "[sig-node] Pods should run",
  "[sig-node] Pods should *not* fail [NodeConformance]",
  "[sig-node] Pods should be cut",
  "[sig-network] Services should route",
];

const text = documentOf({
  kubernetes: "v1.2.3",
  tests: TESTS,
  known: {
    notApplicable: [{ title: "Services", reason: "There are none yet.", tests: TESTS.slice(3) }],
    failures: { [TESTS[1] ?? ""]: "needs a node" },
    ci: [],
  },
  results: { [TESTS[0] ?? ""]: PASSED, [TESTS[1] ?? ""]: FAILED, [TESTS[2] ?? ""]: FAILED },
  missingImages: ["registry.k8s.io/etcd:3"],
});

test("what does not apply is not counted against us", () => {
  expect(text).toContain("**1 of the 3 tests that apply pass (33 %).** 2 fail");
  expect(text).toContain("1 of all 4 do not apply");
});

test("a failure is told by its reason, or else in the suite's words", () => {
  expect(text).toContain(
    "- \\[sig-node\\] Pods should \\*not\\* fail \\[NodeConformance\\]: needs a node",
  );
  expect(text).toContain("- \\[sig-node\\] Pods should be cut: timed out");
});

test("each SIG has a row", () => {
  expect(text).toMatch(/\| sig-node +\| 3 +\| 1 +\| 2 +\| 0 +\|/);
  expect(text).toMatch(/\| sig-network +\| 1 +\| 0 +\| 0 +\| 1 +\|/);
  expect(text).toMatch(/\| \*\*all\*\* +\| 4 +\| 1 +\| 2 +\| 1 +\|/);
});

const ofBuilds = (first: string, second: string): string =>
  documentOf({
    kubernetes: "v1.2.3",
    tests: TESTS.slice(0, 2),
    known: { notApplicable: [], failures: {}, ci: [] },
    results: {
      [TESTS[0] ?? ""]: { ...PASSED, build: first },
      [TESTS[1] ?? ""]: { ...PASSED, build: second },
    },
    missingImages: [],
  });

test("results of several builds are not told as one run", () => {
  expect(ofBuilds("b", "b")).toContain("All of them ran against one build.");
  expect(ofBuilds("b", "c")).toContain("over 2 builds");
});
