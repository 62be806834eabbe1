/**
 * `make test-k3s`: the end-to-end tests against a real K3s, found as `serve` finds it, and a record of
 * what came of it: docs/k3s.md, docs/k3s-run.json and the proof that goes into the executable.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, release, totalmem } from "node:os";
import { resolve } from "node:path";
import { EXIT_STATUSES } from "#cmd/exit.ts";
import { FksError } from "#core/errors.ts";
import type { K3sBinary } from "#embedded/control-plane/k3s/find.ts";
import { requireNoOtherK3s } from "#embedded/control-plane/k3s/folder.ts";
import { claimsToFollow } from "./k3s/claims.ts";
import { DOCUMENT_FILE, documentOf } from "./k3s/document.ts";
import { realK3s } from "./k3s/real.ts";
import {
  type K3sRun,
  type K3sRunFacts,
  PROOF_FILE,
  proofWith,
  RUN_FILE,
  readProof,
  recorded,
} from "./k3s/record.ts";
import { e2eK3s, runSuite } from "./suites.ts";

const ARCHES: Readonly<Record<string, string>> = { x64: "amd64", arm64: "arm64" };

async function main(): Promise<number> {
  const k3s = await found();
  console.log(`K3s ${k3s.version}, ${k3s.path}`);
  const more = process.argv.slice(2);
  const suite = e2eK3s(k3s.path);
  const ran = await runSuite(suite, more);
  const { passed, failed, skipped } = ran.totals;
  console.log(`\n${passed} passed, ${failed} failed, ${skipped} skipped`);
  const isBad = failed > 0 || passed === 0;
  const outcome =
    more.length > 0
      ? { nothing: "some tests are not all of them" }
      : recorded(factsOf(k3s), suite, ran);
  if ("run" in outcome) {
    await record(outcome.run);
    return isBad ? 1 : 0;
  }
  console.log(`${outcome.nothing}: nothing is written`);
  return isBad || more.length === 0 ? 1 : 0;
}

async function found(): Promise<K3sBinary> {
  if (process.getuid?.() !== 0) throw new FksError("Forbidden", "it wants root: containers run");
  await requireNoOtherK3s();
  mkdirSync(".cache", { recursive: true });
  // Whoever is asked for its version may unpack itself.
  const dataDir = mkdtempSync(resolve(".cache/k3s-asked-"));
  const never = new AbortController().signal;
  try {
    return await realK3s({ env: process.env, dataDir, say: (line) => console.log(line) }, never);
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
}

function factsOf({ path, version }: K3sBinary): K3sRunFacts {
  const gigabytes = Math.round(totalmem() / 2 ** 30);
  return {
    version,
    date: new Date().toISOString().slice(0, 10),
    arch: ARCHES[process.arch] ?? process.arch,
    host: `${distribution()}, Linux ${release()}, ${availableParallelism()} processors, ${gigabytes} GiB`,
    sha256: new Bun.CryptoHasher("sha256").update(readFileSync(path)).digest("hex"),
  };
}

function distribution(): string {
  try {
    const text = readFileSync("/etc/os-release", "utf8");
    return /^PRETTY_NAME="?([^"\n]+)"?$/m.exec(text)?.[1] ?? "Linux";
  } catch {
    return "a distribution without a name";
  }
}

async function record(run: K3sRun): Promise<void> {
  const proof = proofWith(readProof(PROOF_FILE), run);
  await writeJson(PROOF_FILE, proof);
  await writeJson(RUN_FILE, run);
  await Bun.write(DOCUMENT_FILE, documentOf({ proof, run }));
  console.log(`written: ${DOCUMENT_FILE}, ${RUN_FILE}, ${PROOF_FILE}; commit them as they are`);
  for (const claim of claimsToFollow(process.cwd(), proof)) console.log(claim);
}

async function writeJson(path: string, value: unknown): Promise<void> {
  await Bun.write(path, `${JSON.stringify(value, null, 2)}\n`);
}

try {
  process.exit(await main());
} catch (error) {
  if (!(error instanceof FksError)) throw error;
  console.error(
    `test-k3s: there is no K3s to run the tests against: ${error.message}. docs/control-plane.md tells where one is looked for; FKS_K3S_BIN=FILE names one.`,
  );
  process.exit(EXIT_STATUSES[error.code].status);
}
