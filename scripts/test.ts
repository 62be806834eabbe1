/**
 * `make test`: every suite of tests, then one line `N passed, N failed` over all of them. `test.ts unit`,
 * `test.ts e2e` run one kind, `test.ts e2e-k3s` one suite. Further words are parts of files' paths, or
 * flags of `bun test`.
 */
import { mkdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { buildK3sShaped } from "#test/programs/k3s-shaped.ts";
import { failuresIn, lineOf, sumOf, type Totals } from "./junit.ts";
import { narrowed, perFile, wishesIn } from "./narrowed.ts";
import { inPool } from "./pool.ts";
import { seconds } from "./step.ts";
import {
  E2E_K3S_TROUBLES,
  E2E_UPSTREAM,
  e2eK3s,
  HOST,
  runSuite,
  type Suite,
  type SuiteRun,
  UNIT,
} from "./suites.ts";

interface Round {
  readonly suites: readonly Suite[];
  /** How many files are run at the same time, each by a process and in a network of its own. */
  readonly width?: number;
}

const PROCESSORS = availableParallelism();

const ROUNDS: readonly Round[] = [
  { suites: [UNIT] },
  { suites: [HOST], width: Math.min(PROCESSORS, 4) },
  {
    suites: [E2E_K3S_TROUBLES, E2E_UPSTREAM, e2eK3s(process.env["FKS_K3S_BIN"] ?? "")],
    // A cluster's tests wait more than they work.
    width: Math.min(2 * PROCESSORS, 8),
  },
];

/** What takes longest is begun first, so that nothing else waits for it in the end. */
const LONGEST = [
  "k3s-troubles",
  "restart",
  "kubelet-api",
  "k3s-upgrade",
  "sources",
  "apps-jobs",
  "workloads",
];

/** What failed, said once more in the end, where a person looks first. */
const failures: string[] = [];

async function runWhole(suite: Suite): Promise<Totals> {
  console.log(`\n── ${suite.title}`);
  const startedAt = performance.now();
  const run = await runSuite(suite, wishes.flags);
  console.log(`── ${suite.title}: ${lineOf(run.totals)} in ${seconds(startedAt)}`);
  failures.push(...failuresOf(suite, run, "above"));
  return run.totals;
}

function failuresOf(suite: Suite, { report, fellOver }: SuiteRun, where: string): string[] {
  const told = failuresIn(report).map((failure) => `${suite.name}: ${failure}`);
  if (!fellOver) return told;
  const what = suite.files.length === 1 ? suite.files.join("") : "one of its files";
  return [...told, `${suite.name}: ${what}: threw while it loaded, or was ended; see ${where}`];
}

async function runByFile(suites: readonly Suite[], width: number): Promise<Totals[]> {
  const titles = suites.map(({ title }) => title);
  const startedAt = performance.now();
  for (const title of titles) console.log(`\n── ${title}`);
  const pieces = suites.flatMap(perFile).toSorted((a, b) => placeOf(a) - placeOf(b));
  const done = await inPool(pieces, width, async (piece) => {
    const output = `.cache/${piece.name}.log`;
    const run = await runSuite(piece, wishes.flags, output);
    const text = await Bun.file(output).text();
    process.stdout.write(`\n${piece.name}: ${text.trim()}\n`);
    // Without a name that fits, none of its tests is meant.
    const isMeant = run.report.includes("<testcase") || !/matched 0 tests/.test(text);
    if (isMeant) failures.push(...failuresOf(piece, run, output));
    return { title: piece.title, totals: isMeant ? run.totals : sumOf([]) };
  });
  console.log(`\n── after ${seconds(startedAt)}`);
  return titles.map((title) => {
    const totals = sumOf(done.filter((one) => one.title === title).map((one) => one.totals));
    console.log(`── ${title}: ${lineOf(totals)}`);
    return totals;
  });
}

function placeOf({ files }: Suite): number {
  const place = LONGEST.findIndex((name) => files[0]?.includes(`/${name}.`));
  return place < 0 ? LONGEST.length : place;
}

const needsRedis = ({ files }: Suite): boolean => files.includes("test/e2e/application.test.ts");

/** Here, where a person sees it, not within the time of a test. */
async function buildStandIn(): Promise<void> {
  const startedAt = performance.now();
  await buildK3sShaped();
  const tookMs = performance.now() - startedAt;
  if (tookMs > 1_000) console.log(`test/programs/k3s-shaped: built in ${seconds(startedAt)}`);
}

/** A suite's network of its own leads nowhere. Without Redis one test is skipped, and says so. */
async function fetchRedis(): Promise<void> {
  const command = [process.execPath, "scripts/setup.ts", "redis"];
  await Bun.spawn(command, { stdio: ["ignore", "inherit", "inherit"] }).exited;
}

const [first = "", ...rest] = process.argv.slice(2);
const isChosen = ({ kind, name }: Suite): boolean => [kind, name].includes(first);
const isKnown = ROUNDS.some(({ suites }) => suites.some(isChosen));
const wishes = wishesIn(isKnown ? rest : process.argv.slice(2));
const rounds = ROUNDS.map((round) => ({
  ...round,
  suites: round.suites
    .filter((suite) => !isKnown || isChosen(suite))
    .map((suite) => narrowed(suite, wishes))
    .filter(({ files }) => files.length > 0),
})).filter(({ suites }) => suites.length > 0);

mkdirSync(".cache", { recursive: true });
if (rounds.some(({ width }) => width !== undefined)) await buildStandIn();
if (rounds.some(({ suites }) => suites.some(needsRedis))) await fetchRedis();
const totals: Totals[] = [];
for (const { suites, width } of rounds) {
  if (width !== undefined) totals.push(...(await runByFile(suites, width)));
  else for (const suite of suites) totals.push(await runWhole(suite));
}
const sum = sumOf(totals);
await Bun.write(".cache/totals", `${lineOf(sum)}\n`);
if (failures.length > 0) console.log(`\n── failed\n\n${failures.join("\n\n")}`);
console.log(`\n${lineOf(sum)}`);
process.exit(sum.failed > 0 || sum.passed === 0 ? 1 : 0);
