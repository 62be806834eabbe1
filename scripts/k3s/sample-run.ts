/** A run against a K3s that nobody has, for tests of what is written of one. */
import { testsIn } from "../junit.ts";
import type { K3sRun, K3sRunFacts } from "./record.ts";

export const FACTS: K3sRunFacts = {
  version: "v1.36.4+k3s1",
  date: "2026-12-01",
  arch: "amd64",
  host: "Debian GNU/Linux 12, Linux 6.1, 2 processors, 24 GiB",
  sha256: "0a".repeat(32),
};

export const REPORT = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="bun test" tests="3" assertions="3" failures="1" skipped="0" time="0.1">
  <testsuite name="test/e2e/one-pod.test.ts" file="test/e2e/one-pod.test.ts" tests="2">
    <testsuite name="one Pod" file="test/e2e/one-pod.test.ts" tests="2">
      <testcase name="kubectl logs gives output" classname="one Pod" file="test/e2e/one-pod.test.ts" />
      <testcase name="kubectl exec works" classname="one Pod" file="test/e2e/one-pod.test.ts">
        <failure type="AssertionError" message="502" />
      </testcase>
    </testsuite>
  </testsuite>
  <testsuite name="test/e2e/k3s.test.ts" file="test/e2e/k3s.test.ts" tests="1">
    <testcase name="an orphan is ended" classname="" file="test/e2e/k3s.test.ts" />
  </testsuite>
</testsuites>`;

/** The same with the last test skipped. */
export const REPORT_WITH_SKIPPED = REPORT.replace(
  /(name="an orphan is ended"[^>]*?) \/>/,
  "$1><skipped /></testcase>",
);

export const RUN: K3sRun = { ...FACTS, tests: testsIn(REPORT) };
