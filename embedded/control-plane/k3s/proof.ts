import { z } from "zod";
import proofJson from "./proof.json" with { type: "json" };

const schema = z.strictObject({
  proven: z.array(
    z.strictObject({
      version: z.string(),
      date: z.iso.date(),
      arch: z.string(),
      passed: z.number().int().positive(),
      failed: z.number().int().nonnegative(),
      skipped: z.number().int().nonnegative(),
    }),
  ),
});

/** What `make test-k3s` wrote down where a real K3s could be had; what `proof.json` holds. */
export type Proof = Readonly<z.infer<typeof schema>>;

/** Throws when it is no record of that kind. */
export function parseProof(proof: unknown): Proof {
  return schema.parse(proof);
}

const PROOF = parseProof(proofJson);

/** How far K3s in this version has been proven, to be said after its name. Pure. */
export function proofOf(version: string, { proven }: Proof = PROOF): string {
  const runs = proven.filter((run) => run.version === version);
  const last = runs.toSorted((a, b) => a.date.localeCompare(b.date)).at(-1);
  if (last === undefined) return "proven against K3s' documented contract only";
  const { date, arch, passed, failed, skipped } = last;
  const tests = `${passed + failed + skipped} end-to-end tests`;
  const rest = skipped === 0 ? "" : `, ${skipped} skipped,`;
  const which =
    failed > 0 ? `failed ${failed} of` : `proven by ${rest === "" ? "all" : `${passed} of`}`;
  return `${which} ${tests}${rest} on ${date} (${arch})`;
}
