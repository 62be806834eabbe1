/**
 * `make conformance`: Kubernetes' own suite against `fks-node serve` with real containers.
 *
 * `--focus RE` and `--skip RE` narrow it, `--subset ci` takes the few of every change, `--all` also
 * those that do not apply, `--again` those that have a result of this build, `--failed` only those that
 * have not passed when they ran last. `--limit S` bounds a test, `--document` only writes
 * docs/conformance.md.
 */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ensureKube } from "#embedded/control-plane/upstream/build.ts";
import { KUBERNETES_VERSION } from "#embedded/control-plane/upstream/source.ts";
import { type Cluster, EXECUTABLE, startCluster } from "./conformance/cluster.ts";
import { ensureDebianPrograms } from "./conformance/debian.ts";
import { documentOf } from "./conformance/document.ts";
import { conformanceImages, missingImages } from "./conformance/images.ts";
import { notApplicableNames, readKnown, strangersIn } from "./conformance/known.ts";
import { conformanceCache, RUNS } from "./conformance/paths.ts";
import { ensurePrograms, imageSources } from "./conformance/programs.ts";
import { type Results, readResults, remaining, writeResults } from "./conformance/results.ts";
import { conformanceTests, imagesAskedFor, isSerial, runTest } from "./conformance/suite.ts";
import { dockerArchive } from "./image-archive.ts";
import { lineOf } from "./junit.ts";
import { hostEnvironment, inOwnNetwork } from "./own-network.ts";
import { seconds } from "./step.ts";

const RESULTS = join(RUNS, "results.json");
const DOCUMENT = "docs/conformance.md";
const TOTALS = join(RUNS, "totals");
/** What the images hold of Debian besides busybox. */
const DEBIAN_PACKAGES = [
  "bash",
  "bind9-dnsutils",
  "curl",
  "iperf",
  "iproute2",
  "netcat-openbsd",
  "nginx",
  "util-linux",
];
const LIMIT_SECONDS = { usual: 360, slow: 900 };

const { values: options } = parseArgs({
  options: {
    // `make conformance FOCUS="…"` hands it over by the environment, safe from the shell.
    focus: { type: "string", default: process.env["FOCUS"] ?? "" },
    skip: { type: "string" },
    subset: { type: "string" },
    limit: { type: "string" },
    all: { type: "boolean", default: false },
    again: { type: "boolean", default: false },
    failed: { type: "boolean", default: false },
    document: { type: "boolean", default: false },
    // Said to itself once programs are there and the network is its own.
    prepared: { type: "boolean", default: false },
  },
});

const isNarrowed = [options.focus, options.skip, options.subset].some((v) => (v ?? "") !== "");
/** The few of every change wait more than they work; of all of them some mind a busy host. */
const PARALLEL = options.subset === undefined ? 2 : Math.min(2 * availableParallelism(), 8);
const cache = conformanceCache();
const debian = join(cache, "debian");
const programs = await ensurePrograms(cache);
const tests = await conformanceTests(programs.e2e);
const known = readKnown();

const strangers = strangersIn(known, tests);
if (strangers.length > 0) fail(`the suite has no test of this name:\n  ${strangers.join("\n  ")}`);

if (options.document) {
  await writeDocument(readResults(RESULTS));
} else if (options.prepared) {
  process.exit(await runSuite());
} else {
  await ensureDebianPrograms(debian, DEBIAN_PACKAGES);
  await ensureKube({ onProgress: console.log }, AbortSignal.timeout(60 * 60_000));
  const inside = [process.execPath, ...process.argv.slice(1), "--prepared"];
  const child = Bun.spawn(inOwnNetwork(inside), {
    stdio: ["ignore", "inherit", "inherit"],
    env: hostEnvironment(),
  });
  onStop(() => child.kill("SIGTERM"));
  process.exit(await child.exited);
}

async function runSuite(): Promise<number> {
  rmSync(TOTALS, { force: true });
  const stop = new AbortController();
  onStop(() => stop.abort("stopped by a signal"));
  const build = buildOf(await Bun.file(EXECUTABLE).arrayBuffer());
  let results = readResults(RESULTS);
  const selected = selectedTests(results);
  const isFresh = isNarrowed || options.again || options.failed;
  const queue = isFresh ? selected : remaining(selected, results, build);
  if (queue.length < selected.length) {
    console.log(`${selected.length - queue.length} have a result of this build already`);
  }
  const cluster = await clusterWithImages();
  const startedAt = performance.now();
  let done = 0;
  const work = async (names: readonly string[], workers: number): Promise<void> => {
    const waiting = [...names];
    const worker = async (): Promise<void> => {
      for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
        if (stop.signal.aborted) return;
        const limitSeconds = limitOf(name);
        const test = { e2e: programs.e2e, cluster, name, limitSeconds };
        const result = await runTest(test, stop.signal);
        if (stop.signal.aborted) return;
        results = { ...results, [name]: { ...result, build } };
        writeResults(RESULTS, results);
        done++;
        const count = `[${String(done).padStart(3)}/${queue.length}]`;
        const time = `${result.seconds.toFixed(1)} s`.padStart(8);
        console.log(`${count} ${result.outcome} ${time}  ${name}`);
        if (result.outcome === "failed") console.log(`          ${result.message.slice(0, 160)}`);
      }
    };
    await Promise.all(Array.from({ length: workers }, worker));
  };
  try {
    await work(
      queue.filter((name) => !isSerial(name)),
      PARALLEL,
    );
    await work(queue.filter(isSerial), 1);
  } finally {
    await cluster.close();
  }
  if (!isNarrowed) await writeDocument(results);
  return summary(selected, results, seconds(startedAt));
}

function selectedTests(results: Results): readonly string[] {
  const skipped = options.all ? new Set<string>() : notApplicableNames(known);
  const focus = new RegExp(options.focus);
  const skip = options.skip === undefined ? undefined : new RegExp(options.skip);
  const subset = options.subset === "ci" ? new Set(known.ci) : undefined;
  if (options.subset !== undefined && subset === undefined) fail('the only subset is "ci"');
  const selected = tests.filter(
    (name) =>
      !skipped.has(name) &&
      focus.test(name) &&
      skip?.test(name) !== true &&
      subset?.has(name) !== false &&
      !(options.failed && results[name]?.outcome === "passed"),
  );
  if (selected.length === 0) fail("no test of the suite is meant");
  return selected;
}

async function clusterWithImages(): Promise<Cluster> {
  const startedAt = performance.now();
  const images = await conformanceImages({ programs, debian, images: await imageSources() });
  mkdirSync(cache, { recursive: true });
  // Of this run alone: another one may be at it.
  const archive = join(cache, `images-${process.pid}.tar`);
  writeFileSync(archive, dockerArchive(images));
  const kube = await ensureKube({ onProgress: console.log }, AbortSignal.timeout(60 * 60_000));
  const cluster = await startCluster(kube);
  await cluster.loadImages(archive).finally(() => rmSync(archive));
  console.log(`a cluster with ${images.length} images in ${seconds(startedAt)}`);
  return cluster;
}

/** The last line is for whoever counts; the ones above are for who looks after the suite. */
function summary(selected: readonly string[], results: Results, time: string): number {
  const failed = selected.filter((name) => results[name]?.outcome === "failed");
  const passed = selected.filter((name) => results[name]?.outcome === "passed");
  const unexplained = failed.filter((name) => known.failures[name] === undefined);
  const better = passed.filter((name) => known.failures[name] !== undefined);
  const why = (name: string): string => `${name}\n      ${results[name]?.message ?? ""}`;
  if (unexplained.length > 0) console.log(`\nfailed:\n  ${unexplained.map(why).join("\n  ")}`);
  if (better.length > 0) console.log(`\nno longer fails:\n  ${better.join("\n  ")}`);
  const open = selected.length - passed.length - failed.length;
  if (open > 0) console.log(`\n${open} not run; the next run goes on from here`);
  console.log(`\nin ${time}, output of each under ${RUNS}/tests`);
  const totals = { passed: passed.length, failed: failed.length, skipped: 0 };
  // Whoever reads the file counts what did not run among what failed.
  writeFileSync(TOTALS, `${lineOf({ ...totals, failed: failed.length + open })}\n`);
  console.log(lineOf(totals));
  return unexplained.length > 0 || open > 0 ? 1 : 0;
}

async function writeDocument(results: Results): Promise<void> {
  const skipped = notApplicableNames(known);
  const open = tests.filter((name) => !skipped.has(name) && results[name] === undefined);
  if (open.length > 0 && !options.document) {
    console.log(`${open.length} tests have no result yet; ${DOCUMENT} stays as it is`);
    return;
  }
  const images = await conformanceImages({ programs, debian, images: await imageSources() });
  const text = documentOf({
    kubernetes: KUBERNETES_VERSION,
    tests,
    known,
    results,
    missingImages: missingImages(await imagesAskedFor(programs.e2e), images),
  });
  await Bun.write(DOCUMENT, text);
  console.log(`written: ${DOCUMENT}`);
}

function limitOf(name: string): number {
  if (options.limit !== undefined) return Number(options.limit);
  const isSlow = name.includes("[Slow]") || isSerial(name);
  return isSlow ? LIMIT_SECONDS.slow : LIMIT_SECONDS.usual;
}

/** Ctrl-C reaches this program and its child, a supervisor's SIGTERM only this one: both are obeyed. */
function onStop(stop: () => void): void {
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, stop);
}

function buildOf(executable: ArrayBuffer): string {
  return new Bun.CryptoHasher("sha256").update(executable).digest("hex").slice(0, 12);
}

function fail(message: string): never {
  console.error(message);
  process.exit(2);
}
