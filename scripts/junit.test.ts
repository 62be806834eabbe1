import { expect, test } from "bun:test";
import { sumOf, totalsOf } from "./junit.ts";

const REPORT = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="bun test" tests="12" assertions="30" failures="2" skipped="1" time="0.1">
  <testsuite name="a.test.ts" tests="12" failures="2" skipped="1"></testsuite>
</testsuites>`;

test("a report gives what passed, failed and was skipped", () => {
  expect(totalsOf(REPORT)).toEqual({ passed: 9, failed: 2, skipped: 1 });
});

test("a report that was never written counts nothing", () => {
  expect(totalsOf("")).toEqual({ passed: 0, failed: 0, skipped: 0 });
});

test("several runners are added up", () => {
  const one = { passed: 1, failed: 0, skipped: 2 };
  expect(sumOf([one, one])).toEqual({ passed: 2, failed: 0, skipped: 4 });
});
