import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { parseProof } from "#embedded/control-plane/k3s/proof.ts";
import { count, PROOF_FILE, proofWith, RUN_FILE, readProof, readRun, runOf } from "./record.ts";
import { FACTS, REPORT } from "./sample-run.ts";

const RUN = runOf(FACTS, REPORT);

test("a run names every test of the report and how it ended", () => {
  expect([count(RUN, "passed"), count(RUN, "failed"), count(RUN, "skipped")]).toEqual([2, 1, 0]);
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
  };
  const once = proofWith(parseProof({ proven: [earlier] }), RUN);
  expect(once.proven).toEqual([
    earlier,
    { version: "v1.36.4+k3s1", date: "2026-12-01", arch: "amd64", passed: 2, failed: 1 },
  ]);
  expect(proofWith(once, RUN)).toEqual(once);
});

test("a run in which nothing passed proves nothing", () => {
  expect(() => proofWith({ proven: [] }, runOf(FACTS, ""))).toThrow();
});

test("what the repository holds can be read", () => {
  expect(readProof(PROOF_FILE).proven).toBeArray();
  expect(readRun(RUN_FILE) === undefined).toBe(!existsSync(RUN_FILE));
});
