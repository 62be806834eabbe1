import { type Known, notApplicableNames } from "./known.ts";
import type { Results } from "./results.ts";
import { sigOf } from "./suite.ts";

export interface DocumentFacts {
  readonly kubernetes: string;
  readonly tests: readonly string[];
  readonly known: Known;
  readonly results: Results;
  /** Images that no test of the run asks for, so that nobody looks for them here. */
  readonly missingImages: readonly string[];
}

/** The text of docs/conformance.md. */
export function documentOf(facts: DocumentFacts): string {
  const { known, tests, results } = facts;
  const skipped = notApplicableNames(known);
  const applicable = tests.filter((name) => !skipped.has(name));
  const passed = applicable.filter((name) => results[name]?.outcome === "passed");
  const failed = applicable.filter((name) => results[name]?.outcome === "failed");
  const open = applicable.filter((name) => results[name] === undefined);
  const builds = new Set(applicable.flatMap((name) => results[name]?.build ?? [])).size;
  const percent = Math.floor((100 * passed.length) / Math.max(1, applicable.length));

  return `# Conformance

What Kubernetes' own conformance suite says about fks-node. Written by \`make conformance\`, which runs the suite of
Kubernetes ${facts.kubernetes} against \`fks-node serve\` with real containers; [CONTRIBUTING.md](../CONTRIBUTING.md) tells how.

**${passed.length} of the ${applicable.length} tests that apply pass (${percent} %).** ${failed.length} fail${
    open.length === 0 ? "" : `, ${open.length} have not run`
  }, and ${tests.length - applicable.length} of all ${tests.length} do not apply yet.

${
  builds > 1
    ? `These are not of one run: each test counts as it ended last, over ${builds} builds. What an early one passed may fail in the latest.`
    : "All of them ran against one build."
}

${sigTable(tests, skipped, results)}

## Failed

${failed.length === 0 ? "None." : bullets(failed, (name) => known.failures[name] ?? results[name]?.message ?? "")}
${open.length === 0 ? "" : `\n## Not run\n\n${bullets(open)}\n`}
## Not applicable

${known.notApplicable
  .map(({ title, reason, tests: names }) => `### ${title}\n\n${reason}\n\n${bullets(names)}\n`)
  .join("\n")}
## Images

The images that these tests run are built from Kubernetes' own modules, busybox and Debian's packages, under the names
the suite asks for. They are stand-ins, of the suite's own version where the real ones are older: \`agnhost:2.55\` is
\`2.63.0\`, \`nginx:1.15-4\` and \`1.27-0\` are Debian's, \`sample-apiserver\` and \`etcd\` are of the versions in
\`test/conformance/go.mod\`. Not built, because only tests outside of conformance or those above ask for them:

${facts.missingImages.map((image) => `- \`${image}\``).join("\n")}

## Passed

${bullets(passed)}
`;
}

function sigTable(
  tests: readonly string[],
  skipped: ReadonlySet<string>,
  results: Results,
): string {
  const sigs = [...new Set(tests.map(sigOf))].toSorted();
  const rows = sigs.map((sig) => {
    const own = tests.filter((name) => sigOf(name) === sig);
    const applicable = own.filter((name) => !skipped.has(name));
    const count = (outcome: string): number =>
      applicable.filter((name) => results[name]?.outcome === outcome).length;
    return [sig, own.length, count("passed"), count("failed"), own.length - applicable.length];
  });
  const sum = (column: number): number =>
    rows.reduce((total, row) => total + Number(row[column]), 0);
  const all = [["SIG", "Tests", "Passed", "Failed", "Not applicable"], ...rows];
  return tableOf([...all, ["**all**", sum(1), sum(2), sum(3), sum(4)]]);
}

function tableOf(rows: readonly (readonly (string | number)[])[]): string {
  const [head = [], ...body] = rows.map((row) => row.map(String));
  const widths = head.map((_, at) => Math.max(...rows.map((row) => String(row[at] ?? "").length)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(" | ")} |`;
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...body.map(line)].join("\n");
}

/** Names as a list, each followed by its reason where there is one. */
function bullets(names: readonly string[], reason: (name: string) => string = () => ""): string {
  return names
    .map((name) => `- ${escaped(name)}${reason(name) === "" ? "" : `: ${escaped(reason(name))}`}`)
    .join("\n");
}

/** Names are full of characters that Markdown would take for its own. */
function escaped(text: string): string {
  return text.replaceAll(/[\\*_[\]<>|]/g, "\\$&");
}
