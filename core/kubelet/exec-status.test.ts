import { expect, test } from "bun:test";
import { FksError } from "../errors.ts";
import { ATTACH_ENDED, execStatusFor, failedStatusFor, plainTextFor } from "./exec-status.ts";

test("success is as short as the kubelet's", () => {
  expect(JSON.stringify(execStatusFor({ exitCode: 0 }))).toBe('{"metadata":{},"status":"Success"}');
  expect(plainTextFor(execStatusFor({ exitCode: 0 }))).toBe("");
});

test("an exit code is the cause that kubectl exits with", () => {
  expect(execStatusFor({ exitCode: 3 })).toEqual({
    metadata: {},
    status: "Failure",
    reason: "NonZeroExitCode",
    message: "command terminated with non-zero exit code: exit status 3",
    details: { causes: [{ reason: "ExitCode", message: "3" }] },
  });
});

test("an expected failure is told, a bug is not shown to the caller", () => {
  expect(failedStatusFor(new FksError("Conflict", "container app does not run"))).toMatchObject({
    reason: "InternalError",
    code: 500,
    message: "Internal error occurred: container app does not run",
  });
  expect(failedStatusFor(new TypeError("x is undefined")).message).not.toContain("undefined");
});

test("who was attached hears of no failure: kubectl reads the exit code in the Pod's status", () => {
  expect(JSON.stringify(ATTACH_ENDED)).toBe('{"metadata":{},"status":"Success"}');
});
