import { expect, test } from "bun:test";
import { StoppedError } from "#adapters/host/signals.ts";
import { ERROR_CODES, FksError } from "#core/errors.ts";
import { EXIT_STATUSES, exitStatusTable, farewellFor } from "./exit.ts";

test("each kind of failure has an exit status of its own, and the help lists it", () => {
  const statuses = ERROR_CODES.map((code) => EXIT_STATUSES[code].status);

  expect(new Set(statuses).size).toBe(ERROR_CODES.length);
  for (const status of statuses) expect(exitStatusTable()).toContain(`\n  ${status}  `);
});

test("a person reads one sentence, and a stack trace only when asking for it", () => {
  const error = new FksError("Conflict", "the port is taken", { cause: new Error("EADDRINUSE") });

  expect(farewellFor(error, {})).toEqual({ status: 4, text: "fks-node: the port is taken\n" });
  expect(farewellFor(error, { FKS_DEBUG: "1" }).text).toMatch(/exit\.test\.ts[^]*caused by/);
  const bug = farewellFor(new TypeError("x is undefined"), { FKS_DEBUG: "0" });
  expect(bug.status).toBe(1);
  expect(bug.text).not.toContain("exit.test.ts");
});

test("a full disk is explained, whoever met it", () => {
  const error = Object.assign(new Error("ENOSPC, write"), { code: "ENOSPC", path: "/data/x" });

  expect(farewellFor(error, {})).toEqual({
    status: 8,
    text: "fks-node: no space left to write /data/x\n",
  });
});

test("being stopped is no failure of ours, and shells see by what", () => {
  expect(farewellFor(new StoppedError("SIGTERM"), {})).toEqual({
    status: 143,
    text: "fks-node: stopped by SIGTERM before it was done\n",
  });
});
