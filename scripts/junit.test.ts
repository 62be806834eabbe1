import { expect, test } from "bun:test";
import { failuresIn, lineOf, sumOf, testsIn, totalsInLine, totalsOf } from "./junit.ts";

const REPORT = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="bun test" tests="5" assertions="3" failures="2" skipped="1" time="0.1">
  <testsuite name="a.test.ts" file="a.test.ts" tests="5" failures="2" skipped="1">
    <testsuite name="a &lt;Pod&gt;" file="a.test.ts" line="2" tests="3" failures="1" skipped="1">
      <testcase name="says &quot;no&quot; &amp; ends" classname="a &lt;Pod&gt;" time="0" file="a.test.ts" line="2" assertions="0" />
      <testcase name="fails" classname="a &lt;Pod&gt;" time="0" file="a.test.ts" line="3" assertions="1">
        <failure type="AssertionError" message="a &gt; b&#10;">expect(received)
      </failure>
      </testcase>
      <testcase name="waits" classname="deep &gt; a &lt;Pod&gt;" time="0" file="a.test.ts" line="4" assertions="0">
        <skipped />
      </testcase>
    </testsuite>
    <testcase name="alone" classname="" time="0" file="a.test.ts" line="9" assertions="0" />
    <testcase name="slow" classname="" time="1" file="a.test.ts" line="10" assertions="0">
      <failure type="TimeoutError" message="test timed out" />
    </testcase>
  </testsuite>
</testsuites>`;

test("a report gives what passed, failed and was skipped", () => {
  expect(totalsOf(REPORT)).toEqual({ passed: 2, failed: 2, skipped: 1 });
});

test("a report gives every test with its groups and how it ended", () => {
  expect(testsIn(REPORT)).toEqual([
    { file: "a.test.ts", name: 'a <Pod>: says "no" & ends', outcome: "passed" },
    { file: "a.test.ts", name: "a <Pod>: fails", outcome: "failed" },
    { file: "a.test.ts", name: "a <Pod>: deep: waits", outcome: "skipped" },
    { file: "a.test.ts", name: "alone", outcome: "passed" },
    { file: "a.test.ts", name: "slow", outcome: "failed" },
  ]);
});

test("failures are told with their place, their groups and why", () => {
  expect(failuresIn(REPORT)).toEqual([
    "a.test.ts: a <Pod>: fails\n    a > b",
    "a.test.ts: slow\n    test timed out",
  ]);
  const long = REPORT.replace("a &gt; b&#10;", "one&#10;&#10;".repeat(20));
  expect(failuresIn(long)[0]?.split("\n")).toHaveLength(10);
});

test("what a suite said in its last line can be added up; one that said nothing has failed", () => {
  const totals = { passed: 3, failed: 1, skipped: 2 };
  expect(totalsInLine(`${lineOf(totals)}\n`)).toEqual(totals);
  expect(totalsInLine(lineOf({ ...totals, skipped: 0 }))).toEqual({ ...totals, skipped: 0 });
  expect(totalsInLine("")).toEqual({ passed: 0, failed: 1, skipped: 0 });
});

test("a report that was never written counts nothing and names no test", () => {
  expect(totalsOf("")).toEqual({ passed: 0, failed: 0, skipped: 0 });
  expect(testsIn("")).toEqual([]);
  expect(failuresIn("")).toEqual([]);
});

test("several suites are added up", () => {
  const one = { passed: 1, failed: 0, skipped: 2 };
  expect(sumOf([one, one])).toEqual({ passed: 2, failed: 0, skipped: 4 });
});
