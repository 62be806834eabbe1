import { existsSync, openSync, rmSync } from "node:fs";
import { type Totals, totalsOf } from "./junit.ts";
import { hostEnvironment, inOwnNetwork } from "./own-network.ts";

/** Tests that are run by one `bun test`. */
export interface Suite {
  readonly name: string;
  readonly kind: "unit" | "host" | "e2e";
  readonly title: string;
  readonly files: readonly string[];
  readonly flags: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export interface SuiteRun {
  readonly totals: Totals;
  /** JUnit; empty when it was never written. */
  readonly report: string;
  /** It failed, and the report names no failure: a file that throws while it loads, an end by a signal. */
  readonly fellOver: boolean;
}

/** Tests that need root, host programs or the control plane say so by their name or their folder. */
const isHost = (file: string): boolean => file.endsWith(".host.test.ts");
const isE2e = (file: string): boolean => file.startsWith("test/e2e/");
/** For K3s alone; `k3s-…` for its stand-in, which can be told to misbehave. */
const isK3s = (file: string): boolean => file === "test/e2e/k3s.test.ts";
const isStandIn = (file: string): boolean => file.startsWith("test/e2e/k3s-");

const all = [
  ...new Bun.Glob("{cmd,core,adapters,embedded,scripts,test}/**/*.test.ts").scanSync(),
].toSorted();
const forEveryEngine = all.filter((file) => isE2e(file) && !isK3s(file) && !isStandIn(file));

/** Clusters of their own at once; what they do most is wait. */
const SIDE_BY_SIDE = 4;
const E2E_FLAGS = ["--timeout=300000", `--max-concurrency=${SIDE_BY_SIDE}`];

export const UNIT: Suite = {
  name: "unit",
  kind: "unit",
  title: "unit, golden, property, contract and chaos tests",
  files: all.filter((file) => !isHost(file) && !isE2e(file)),
  flags: ["--parallel=2", "--timeout=20000"],
};

export const HOST: Suite = {
  name: "host",
  kind: "host",
  title: "tests with real containers and networks",
  files: all.filter(isHost),
  flags: ["--timeout=120000"],
};

export const E2E_UPSTREAM: Suite = {
  name: "e2e-upstream",
  kind: "e2e",
  title: "end to end with the upstream parts: real kubectl, real containers",
  files: forEveryEngine,
  flags: E2E_FLAGS,
  env: { FKS_TEST_ENGINE: "upstream" },
};

/** With the K3s that `FKS_K3S_BIN` names, else with its stand-in. */
export function e2eK3s(k3s: string): Suite {
  const which = k3s === "" ? "K3s: its stand-in test/programs/k3s-shaped" : `the K3s ${k3s}`;
  return {
    name: "e2e-k3s",
    kind: "e2e",
    title: `end to end with ${which}`,
    files: [...forEveryEngine, ...all.filter(isK3s)],
    flags: E2E_FLAGS,
    env: { FKS_TEST_ENGINE: "k3s", ...(k3s === "" ? {} : { FKS_K3S_BIN: k3s }) },
  };
}

export const E2E_K3S_TROUBLES: Suite = {
  name: "e2e-k3s-troubles",
  kind: "e2e",
  title: "end to end with K3s in trouble and other versions of it: its stand-in",
  files: all.filter(isStandIn),
  flags: E2E_FLAGS,
  env: { FKS_TEST_ENGINE: "k3s" },
};

/** Runs a suite to its end. `more` goes to `bun test`; with `output` what it prints goes into that file. */
export async function runSuite(
  suite: Suite,
  more: readonly string[],
  output?: string,
): Promise<SuiteRun> {
  const path = `.cache/junit-${suite.name}.xml`;
  rmSync(path, { force: true });
  const reporter = ["--reporter=junit", `--reporter-outfile=${path}`];
  const command = [process.execPath, "test", ...suite.flags, ...reporter, ...more, ...suite.files];
  const printed = output === undefined ? "inherit" : openSync(output, "w");
  const child = Bun.spawn(suite.kind === "unit" ? command : inOwnNetwork(command), {
    stdin: "ignore",
    stdout: printed,
    stderr: printed,
    env: { ...hostEnvironment(), ...suite.env, NO_COLOR: "1" },
  });
  const exitCode = await child.exited;
  return suiteRunOf(exitCode, existsSync(path) ? await Bun.file(path).text() : "");
}

/** What came of a suite. One that fell over has failed all the same. Pure. */
export function suiteRunOf(exitCode: number, report: string): SuiteRun {
  const totals = totalsOf(report);
  const fellOver = exitCode !== 0 && totals.failed === 0;
  return { report, fellOver, totals: fellOver ? { ...totals, failed: 1 } : totals };
}
