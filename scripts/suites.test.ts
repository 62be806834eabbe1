import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { REPORT } from "./k3s/sample-run.ts";
import { e2eK3s, runSuite, suiteRunOf } from "./suites.ts";

const PASSED = REPORT.replace('failures="1"', 'failures="0"');

test("a suite fell over when it failed and its report names no failure", () => {
  expect(suiteRunOf(0, PASSED)).toMatchObject({
    fellOver: false,
    totals: { passed: 3, failed: 0 },
  });
  expect(suiteRunOf(1, REPORT)).toMatchObject({
    fellOver: false,
    totals: { passed: 2, failed: 1 },
  });
  expect(suiteRunOf(1, PASSED)).toMatchObject({ fellOver: true, totals: { passed: 3, failed: 1 } });
  expect(suiteRunOf(137, "")).toMatchObject({ fellOver: true, totals: { passed: 0, failed: 1 } });
});

test("the K3s that was found is the one the tests are told of, and none is the stand-in", () => {
  expect(e2eK3s("/opt/k3s").env).toEqual({ FKS_TEST_ENGINE: "k3s", FKS_K3S_BIN: "/opt/k3s" });
  expect(e2eK3s("").env).toEqual({ FKS_TEST_ENGINE: "k3s" });
  expect(e2eK3s("/opt/k3s").files).toContain("test/e2e/k3s.test.ts");
});

test("a suite runs with its environment, and a file that throws while it loads makes it fall over", async () => {
  const folder = mkdtempSync(join(tmpdir(), "fks-suite-"));
  const name = `of-suites-test-${process.pid}`;
  try {
    mkdirSync(".cache", { recursive: true });
    const [tells, throws] = [join(folder, "tells.test.ts"), join(folder, "throws.test.ts")];
    const told = join(folder, "told");
    writeFileSync(
      tells,
      `import { test } from "bun:test";
       test("tells", () => Bun.write(${JSON.stringify(told)}, process.env.FKS_K3S_BIN ?? ""));`,
    );
    writeFileSync(throws, `throw new Error("while it loads");`);
    // Of the unit kind: without a network of its own, which wants root.
    const suite = { ...e2eK3s("/opt/k3s"), name, kind: "unit" as const, files: [tells, throws] };
    const { fellOver, totals } = await runSuite(suite, [], join(folder, "output"));
    expect(await Bun.file(told).text()).toBe("/opt/k3s");
    expect({ fellOver, totals }).toEqual({
      fellOver: true,
      totals: { passed: 1, failed: 1, skipped: 0 },
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
    rmSync(`.cache/junit-${name}.xml`, { force: true });
  }
});
