/**
 * `make test`: every runner one after the other, then one line `N passed, N failed` over all of them.
 * `test.ts unit` and `test.ts e2e` run one kind; further words go to `bun test`.
 */
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { sumOf, type Totals, totalsOf } from "./junit.ts";
import { hostEnvironment, inOwnNetwork } from "./own-network.ts";
import { seconds } from "./step.ts";

interface Runner {
  readonly kind: "unit" | "host" | "e2e";
  readonly title: string;
  readonly files: readonly string[];
  readonly flags: readonly string[];
}

/** Tests that need root, host programs or the control plane say so by their name or their folder. */
const isHost = (file: string): boolean => file.endsWith(".host.test.ts");
const isE2e = (file: string): boolean => file.startsWith("test/e2e/");

const all = [
  ...new Bun.Glob("{cmd,core,adapters,embedded,scripts,test}/**/*.test.ts").scanSync(),
].toSorted();

const RUNNERS: readonly Runner[] = [
  {
    kind: "unit",
    title: "unit, golden, property, contract and chaos tests",
    files: all.filter((file) => !isHost(file) && !isE2e(file)),
    flags: ["--parallel=2", "--timeout=20000"],
  },
  {
    kind: "host",
    title: "tests with real containers and networks",
    files: all.filter(isHost),
    flags: ["--timeout=120000"],
  },
  {
    kind: "e2e",
    title: "end to end: real control plane, real kubectl, real containers",
    files: all.filter(isE2e),
    flags: ["--timeout=300000"],
  },
];

async function run(runner: Runner, extra: readonly string[]): Promise<Totals> {
  if (runner.files.length === 0) return { passed: 0, failed: 0, skipped: 0 };
  console.log(`\n── ${runner.title}`);
  const startedAt = performance.now();
  const report = `.cache/junit-${runner.kind}.xml`;
  rmSync(report, { force: true });
  const reporter = ["--reporter=junit", `--reporter-outfile=${report}`];
  const command = [
    process.execPath,
    "test",
    ...runner.flags,
    ...reporter,
    ...extra,
    ...runner.files,
  ];
  const child = Bun.spawn(runner.kind === "unit" ? command : inOwnNetwork(command), {
    stdin: "ignore",
    stdout: "inherit",
    stderr: "inherit",
    env: { ...hostEnvironment(), NO_COLOR: "1" },
  });
  const exitCode = await child.exited;
  const totals = totalsOf(existsSync(report) ? await Bun.file(report).text() : "");
  console.log(`── ${runner.title}: ${line(totals)} in ${seconds(startedAt)}`);
  // A runner that fell over before it could count a failure has failed all the same.
  return exitCode !== 0 && totals.failed === 0 ? { ...totals, failed: 1 } : totals;
}

const line = ({ passed, failed, skipped }: Totals): string =>
  `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;

const [first = "", ...rest] = process.argv.slice(2);
const only = RUNNERS.some(({ kind }) => kind === first) ? first : undefined;
const extra = only === undefined ? process.argv.slice(2) : rest;

mkdirSync(".cache", { recursive: true });
const totals: Totals[] = [];
for (const runner of RUNNERS) {
  if (only === undefined || runner.kind === only) totals.push(await run(runner, extra));
}
const sum = sumOf(totals);
await Bun.write(".cache/totals", `${line(sum)}\n`);
console.log(`\n${line(sum)}`);
process.exit(sum.failed > 0 || sum.passed === 0 ? 1 : 0);
