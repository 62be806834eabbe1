import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Proof } from "#embedded/control-plane/k3s/proof.ts";

/** What people wrote while nobody had run the tests against K3s. Line ends count as spaces. */
export const CLAIMS: readonly { readonly path: string; readonly words: string }[] = [
  { path: "README.md", words: "nobody has run these tests against K3s itself yet" },
  { path: "docs/control-plane.md", words: "| proven | against K3s' documented contract" },
];

/** One sentence for each of them that is still in its file though the proof has a run. */
export function claimsToFollow(repository: string, { proven }: Proof): readonly string[] {
  if (proven.length === 0) return [];
  return CLAIMS.filter(({ path, words }) =>
    readFileSync(join(repository, path), "utf8").replace(/\s+/g, " ").includes(words),
  ).map(({ path, words }) => `${path} still says "${words}": it has to follow, by hand`);
}
