/**
 * `make test`: every suite of tests, then one line `N passed, N failed` over all of them. `test.ts unit`,
 * `test.ts e2e` run one kind, `test.ts e2e-k3s` one suite; further words go to `bun test`.
 */
import { mkdirSync } from "node:fs";
import { buildK3sShaped } from "#test/programs/k3s-shaped.ts";
import { sumOf, type Totals } from "./junit.ts";
import { seconds } from "./step.ts";
import {
  E2E_K3S_TROUBLES,
  E2E_UPSTREAM,
  e2eK3s,
  HOST,
  runSuite,
  type Suite,
  UNIT,
} from "./suites.ts";

/** Those that are run at the same time: a cluster's tests wait more than they work. */
const ROUNDS: readonly (readonly Suite[])[] = [
  [UNIT],
  [HOST],
  [E2E_UPSTREAM, e2eK3s(process.env["FKS_K3S_BIN"] ?? ""), E2E_K3S_TROUBLES],
];

const line = ({ passed, failed, skipped }: Totals): string =>
  `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;

async function runRound(round: readonly Suite[], more: readonly string[]): Promise<Totals[]> {
  const isAlone = round.length === 1;
  return Promise.all(
    round.map(async (suite) => {
      const startedAt = performance.now();
      console.log(`\n── ${suite.title}${isAlone ? "" : ": started"}`);
      // What is said at the same time is shown one after the other.
      const output = isAlone ? undefined : `.cache/${suite.name}.log`;
      const { totals } = await runSuite(suite, more, output);
      if (output !== undefined) process.stdout.write(`\n${await Bun.file(output).text()}`);
      console.log(`── ${suite.title}: ${line(totals)} in ${seconds(startedAt)}`);
      return totals;
    }),
  );
}

/** Here, where a person sees it, not within the time of a test. */
async function buildStandIn(): Promise<void> {
  const startedAt = performance.now();
  await buildK3sShaped();
  const tookMs = performance.now() - startedAt;
  if (tookMs > 1_000) console.log(`test/programs/k3s-shaped: built in ${seconds(startedAt)}`);
}

const [first = "", ...rest] = process.argv.slice(2);
const isChosen = ({ kind, name }: Suite): boolean => [kind, name].includes(first);
const chosen = ROUNDS.map((round) => round.filter(isChosen));
const isNarrowed = chosen.some((round) => round.length > 0);
const rounds = (isNarrowed ? chosen : ROUNDS).filter((round) => round.length > 0);
const more = isNarrowed ? rest : process.argv.slice(2);

mkdirSync(".cache", { recursive: true });
if (rounds.flat().some(({ kind }) => kind !== "unit")) await buildStandIn();
const totals: Totals[] = [];
for (const round of rounds) totals.push(...(await runRound(round, more)));
const sum = sumOf(totals);
await Bun.write(".cache/totals", `${line(sum)}\n`);
console.log(`\n${line(sum)}`);
process.exit(sum.failed > 0 || sum.passed === 0 ? 1 : 0);
