import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import { captured } from "../captured.ts";
import type { Cluster } from "./cluster.ts";
import { RUNS } from "./paths.ts";
import { failureIn, lastStepIn, outcomeIn, type TestResult } from "./results.ts";

const SUFFIX = " [Conformance]";
const GRACE_SECONDS = 30;

const testList = z.array(z.object({ codename: z.string() }));

/** The names of the suite's conformance tests, in its own order. */
export async function conformanceTests(e2e: string): Promise<readonly string[]> {
  const { stdout } = await captured([e2e, "--list-conformance-tests"]);
  return testList.parse(parse(stdout)).map(({ codename }) => codename.replace(SUFFIX, ""));
}

/** The images that any of its tests may ask for. */
export async function imagesAskedFor(e2e: string): Promise<readonly string[]> {
  const { stdout } = await captured([e2e, "--list-images"]);
  return stdout.split("\n").filter((line) => line !== "");
}

/** Tests that want the cluster for themselves. */
export function isSerial(name: string): boolean {
  return name.includes("[Serial]") || name.includes("[Disruptive]");
}

export function sigOf(name: string): string {
  return /^\[(sig-[a-z-]+)\]/.exec(name)?.[1] ?? "";
}

export interface TestRun {
  readonly e2e: string;
  readonly cluster: Cluster;
  readonly name: string;
  /** How long it may take; then it is interrupted, and it failed. */
  readonly limitSeconds: number;
}

/**
 * Runs one test in a process of its own, so that one that hangs takes nothing with it. Its output
 * stays under `.cache/conformance/tests`. On `signal` it is interrupted, and its result means nothing.
 */
export async function runTest(
  run: TestRun,
  signal: AbortSignal,
): Promise<Omit<TestResult, "build">> {
  const folder = resolve(RUNS, "tests", folderOf(run.name));
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const log = join(folder, "output.log");
  const file = openSync(log, "w");
  const startedAt = performance.now();
  const child = Bun.spawn([run.e2e, ...flagsOf(run, folder)], {
    cwd: folder,
    stdin: "ignore",
    stdout: file,
    stderr: file,
    timeout: (run.limitSeconds + 2 * GRACE_SECONDS) * 1_000,
    killSignal: "SIGKILL",
    // Most of what it does is to collect all 7,500 tests of the suite, and the garbage of that.
    env: { ...process.env, GOGC: "400" },
  });
  const interrupt = (): void => child.kill("SIGTERM");
  signal.addEventListener("abort", interrupt);
  await child.exited;
  signal.removeEventListener("abort", interrupt);
  closeSync(file);
  const seconds = Math.round((performance.now() - startedAt) / 100) / 10;
  const report = join(folder, "junit_01.xml");
  const outcome = existsSync(report) ? outcomeIn(readFileSync(report, "utf8")) : undefined;
  const output = readFileSync(log, "utf8");
  // Megabytes of tests that did not run; what one needs of it is in the results and in the log.
  rmSync(report, { force: true });
  if (outcome?.outcome === "passed") return { seconds, ...outcome };
  // The suite's report has no words of a failed expectation, its log has.
  const said = outcome?.message === "failed" ? failureIn(output) : "";
  const message = said || (outcome?.message ?? `no report: ${lastLineOf(output)}`);
  const step = lastStepIn(output);
  return { seconds, outcome: "failed", message: step === "" ? message : `${message} (${step})` };
}

/** The regular expression that only this test's name matches. */
export function focusOf(name: string): string {
  return `${name}${SUFFIX}`.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

function flagsOf({ cluster, name, limitSeconds }: TestRun, folder: string): readonly string[] {
  return [
    "--provider=skeleton",
    `--kubeconfig=${cluster.kubeconfig}`,
    `--kubectl-path=${cluster.kubectl}`,
    `--report-dir=${folder}`,
    `--e2e-output-dir=${folder}`,
    `--ginkgo.focus=${focusOf(name)}`,
    `--ginkgo.timeout=${limitSeconds}s`,
    `--ginkgo.grace-period=${GRACE_SECONDS}s`,
    "--ginkgo.no-color",
    "--ginkgo.silence-skips",
    "--ginkgo.v",
  ];
}

/** A folder's name that tells the test and fits into any file system. */
function folderOf(name: string): string {
  const words = name.replaceAll(/[^a-zA-Z0-9]+/g, "-").replaceAll(/^-|-$/g, "");
  return words.length <= 120 ? words : `${words.slice(0, 110)}-${Bun.hash.crc32(name)}`;
}

function lastLineOf(output: string): string {
  return output.trimEnd().split("\n").at(-1)?.trim().slice(0, 200) ?? "";
}
