import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CLAIMS, claimsToFollow } from "./claims.ts";
import { PROOF_FILE, proofWith, readProof } from "./record.ts";
import { RUN } from "./sample-run.ts";

const PROOF = proofWith({ proven: [] }, RUN);

test("after a run every sentence that it made untrue is named, until it is gone", () => {
  const repository = mkdtempSync(join(tmpdir(), "fks-claims-"));
  try {
    mkdirSync(join(repository, "docs"));
    writeFileSync(join(repository, "docs/control-plane.md"), "| proven | by every test |\n");
    const readme = join(repository, "README.md");
    writeFileSync(readme, "A stand-in; nobody\nhas run these tests against K3s itself yet.\n");
    expect(claimsToFollow(repository, PROOF)).toEqual([
      'README.md still says "nobody has run these tests against K3s itself yet": it has to follow, by hand',
    ]);
    expect(claimsToFollow(repository, { proven: [] })).toEqual([]);
    writeFileSync(readme, "K3s is proven.\n");
    expect(claimsToFollow(repository, PROOF)).toEqual([]);
  } finally {
    rmSync(repository, { recursive: true, force: true });
  }
});

test("what the repository says of K3s is what its proof says", () => {
  const said = claimsToFollow(".", PROOF).length;
  expect(said).toBe(readProof(PROOF_FILE).proven.length === 0 ? CLAIMS.length : 0);
});
