import { expect, test } from "bun:test";
import { parseProof, proofOf } from "./proof.ts";

const RUN = {
  version: "v1.36.4+k3s1",
  date: "2026-12-01",
  arch: "amd64",
  passed: 61,
  failed: 0,
  skipped: 0,
};

test("a version that nobody ran the tests against is proven on paper only", () => {
  const proof = parseProof({ proven: [RUN] });

  expect(proofOf("v1.36.5+k3s1", proof)).toBe("proven against K3s' documented contract only");
});

test("a version that passed says when and where, the last run counts", () => {
  const before = { ...RUN, date: "2026-11-30", failed: 2 };
  const proof = parseProof({ proven: [RUN, before] });

  expect(proofOf(RUN.version, proof)).toBe(
    "proven by all 61 end-to-end tests on 2026-12-01 (amd64)",
  );
});

test("a version that failed some of them says so", () => {
  const proof = parseProof({ proven: [{ ...RUN, passed: 59, failed: 2 }] });

  expect(proofOf(RUN.version, proof)).toBe("failed 2 of 61 end-to-end tests on 2026-12-01 (amd64)");
});

test("with skipped tests it is never all of them", () => {
  const run = { ...RUN, passed: 58, skipped: 3 };
  const passed = parseProof({ proven: [run] });
  const failed = parseProof({ proven: [{ ...run, failed: 2 }] });

  expect(proofOf(RUN.version, passed)).toBe(
    "proven by 58 of 61 end-to-end tests, 3 skipped, on 2026-12-01 (amd64)",
  );
  expect(proofOf(RUN.version, failed)).toBe(
    "failed 2 of 63 end-to-end tests, 3 skipped, on 2026-12-01 (amd64)",
  );
});

test("the record that ships is one, and an entry without its numbers is none", () => {
  expect(proofOf("v0.0.0")).toContain("documented contract only");
  expect(() => parseProof({ proven: [{ version: "v1.36.4+k3s1" }] })).toThrow();
});
