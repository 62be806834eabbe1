import { expect, test } from "bun:test";
import { narrowed, perFile, wishesIn } from "./narrowed.ts";
import type { Suite } from "./suites.ts";

const SUITE: Suite = {
  name: "e2e",
  kind: "e2e",
  title: "all of it",
  files: ["test/e2e/restart.test.ts", "core/pod/plan.test.ts", "cmd/backup.host.test.ts"],
  flags: [],
};

test("words name files, flags and their values go to bun", () => {
  expect(wishesIn(["core/pod", "-t", "a Pod", "--bail=1", "restart"])).toEqual({
    files: ["core/pod", "restart"],
    flags: ["-t", "a Pod", "--bail=1"],
  });
});

test("only files that are named are run, and all where none is", () => {
  expect(narrowed(SUITE, wishesIn(["core/pod"])).files).toEqual(["core/pod/plan.test.ts"]);
  expect(narrowed(SUITE, wishesIn(["-t", "x"]))).toEqual(SUITE);
});

test("a suite is as many as it has files, each with a name of its own", () => {
  expect(perFile(SUITE).map(({ name, files }) => [name, ...files])).toEqual([
    ["e2e-restart", "test/e2e/restart.test.ts"],
    ["e2e-plan", "core/pod/plan.test.ts"],
    ["e2e-backup", "cmd/backup.host.test.ts"],
  ]);
});
