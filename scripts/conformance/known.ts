import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { CHECKED_IN } from "./paths.ts";

const groups = z.array(
  z.object({ title: z.string(), reason: z.string(), tests: z.array(z.string()) }),
);
const reasons = z.record(z.string(), z.string());

/** Tests that cannot be asked of fks-node, by the reason they share. */
export type NotApplicable = z.infer<typeof groups>;

/** What the repository knows of the suite's tests. */
export interface Known {
  readonly notApplicable: NotApplicable;
  /** Tests that fail, each with what stands in its way. */
  readonly failures: Readonly<Record<string, string>>;
  /** The few that every change is tested with. */
  readonly ci: readonly string[];
}

export function readKnown(): Known {
  return {
    notApplicable: groups.parse(checkedIn("not-applicable.json")),
    failures: reasons.parse(checkedIn("known-failures.json")),
    ci: z.array(z.string()).parse(checkedIn("ci.json")),
  };
}

/** Of the tests the files name, those the suite does not have. */
export function strangersIn(known: Known, tests: readonly string[]): readonly string[] {
  const there = new Set(tests);
  return [
    ...known.notApplicable.flatMap((group) => group.tests),
    ...Object.keys(known.failures),
    ...known.ci,
  ].filter((name) => !there.has(name));
}

export function notApplicableNames(known: Known): ReadonlySet<string> {
  return new Set(known.notApplicable.flatMap(({ tests }) => tests));
}

function checkedIn(name: string): unknown {
  return JSON.parse(readFileSync(join(CHECKED_IN, name), "utf8"));
}
