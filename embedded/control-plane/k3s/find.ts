import { accessSync, chmodSync, constants, existsSync, readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { FksError, messageOf } from "#core/errors.ts";
import type { Clock } from "#core/ports/clock.ts";
import { parseVersion, versionStepFor } from "../version.ts";
import { checksumIn, sha256Of } from "./checksums.ts";
import { downloadK3s } from "./download.ts";
import { programVersion } from "./program-version.ts";
import {
  isSupported,
  PIN,
  type Pin,
  type Release,
  releaseFolder,
  releaseFor,
  SUPPORTED,
} from "./release.ts";
import { PATIENCE, type Patience } from "./web.ts";

/** A K3s that runs here. */
export interface K3sBinary {
  readonly path: string;
  /** As it says itself: `v1.36.4+k3s1`. */
  readonly version: string;
  readonly source: "named" | "path" | "cache" | "download";
}

interface FindK3sOptions {
  /** The executable to use; then no other is looked for. */
  readonly k3sBin?: string | undefined;
  /** Base URL of releases: `<releases>/v1.36.4%2Bk3s1/k3s`. */
  readonly releases: string;
  /** The one K3s will be started with. */
  readonly dataDir: string;
  /** Version that the data is of; a `k3s` on PATH that cannot go on with it is passed over. */
  readonly dataVersion?: string | undefined;
  /** `PATH`, `HOME`, `XDG_CACHE_HOME` and the variables of proxies. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  /** Hears a sentence for people: what is skipped and why, how far a download is. */
  onProgress(line: string): void;
  readonly pin?: Pin;
  readonly patience?: Patience;
  readonly versionTimeoutMs?: number;
}

/** The first time K3s is asked anything it may unpack 250 MB, on a disk that may be slow. */
const VERSION_TIMEOUT_MS = 60_000;

/**
 * The K3s to use: the one that is named, else `k3s` on PATH when its minor is known to us, else the
 * pinned release, from the cache or downloaded into it.
 *
 * One from the cache is checked each time, which takes a tenth of a second: against the digest recorded in
 * `pin.json`, else against the checksum file beside it. Throws FksError with one sentence:
 * `NotFound` when the named file is none that can be run, `Unsupported` when it is no K3s we know or
 * there is none for this host, else what keeps us from downloading it.
 */
export async function findK3s(options: FindK3sOptions, signal: AbortSignal): Promise<K3sBinary> {
  if (process.platform !== "linux") {
    throw new FksError("Unsupported", `K3s runs on Linux, not on ${process.platform}`);
  }
  if (options.k3sBin !== undefined) return named(resolve(options.k3sBin), options, signal);
  return (await onPath(options, signal)) ?? pinned(options, signal);
}

async function named(
  path: string,
  options: FindK3sOptions,
  signal: AbortSignal,
): Promise<K3sBinary> {
  if (!isExecutable(path)) {
    throw new FksError("NotFound", `--k3s-bin names ${path}, which is not an executable file`);
  }
  return { path, version: await knownVersion(path, options, signal), source: "named" };
}

async function onPath(
  options: FindK3sOptions,
  signal: AbortSignal,
): Promise<K3sBinary | undefined> {
  const path = Bun.which("k3s", { PATH: options.env["PATH"] ?? "" });
  if (path === null) return undefined;
  try {
    const version = await knownVersion(path, options, signal);
    versionStepFor(options.dataVersion, version);
    return { path, version, source: "path" };
  } catch (error) {
    if (!FksError.is(error, "Unsupported") && !FksError.is(error, "Conflict")) throw error;
    options.onProgress(`${error.message}; looking for another one`);
    return undefined;
  }
}

async function pinned(options: FindK3sOptions, signal: AbortSignal): Promise<K3sBinary> {
  const { env, clock, releases, patience = PATIENCE } = options;
  const release = releaseFor(options.pin ?? PIN, process.arch);
  const folder = releaseFolder(env, release);
  const path = join(folder, release.binary);

  const cached = await cachedState(path, release, signal);
  const source = cached === "good" ? "cache" : await fetched();
  makeExecutable(path);
  const version = await knownVersion(path, options, signal);
  if (version === release.version) return { path, version, source };
  throw new FksError("Unsupported", `${path} is K3s ${version}, not ${release.version}: remove it`);

  async function fetched(): Promise<"download" | "cache"> {
    const fault = cached === "absent" ? "" : `${path} ${cached}`;
    if (fault !== "") options.onProgress(`${fault}: fetching it`);
    const web = { env, clock, patience };
    const onProgress = (line: string): void => options.onProgress(line);
    try {
      return await downloadK3s({ release, releases, folder, web, onProgress }, signal);
    } catch (error) {
      if (!(error instanceof FksError) || fault === "") throw error;
      throw new FksError(error.code, `${error.message}; ${fault}`, { cause: error });
    }
  }
}

/** Whether the cached one can be used: `good`, `absent`, else what is wrong, to be said after its path. */
async function cachedState(path: string, release: Release, signal: AbortSignal): Promise<string> {
  if (!existsSync(path)) return "absent";
  const checksums = join(path, "..", release.checksums);
  if (release.sha256 === undefined && !existsSync(checksums)) {
    return `cannot be checked without ${release.checksums} beside it`;
  }
  try {
    const wanted =
      release.sha256 ??
      checksumIn(readFileSync(checksums, "utf8"), release.binary, release.checksums);
    const isRight = (await sha256Of(path, signal)) === wanted;
    return isRight ? "good" : "is damaged, it has not the sha256 of the release";
  } catch (error) {
    signal.throwIfAborted();
    return `cannot be checked: ${messageOf(error)}`;
  }
}

/** The version of a program whose flags we know. Throws `Unsupported`. */
async function knownVersion(
  path: string,
  options: FindK3sOptions,
  signal: AbortSignal,
): Promise<string> {
  const { dataDir, env, clock, versionTimeoutMs = VERSION_TIMEOUT_MS } = options;
  const ask = { dataDir, env, clock, timeoutMs: versionTimeoutMs };
  const version = await programVersion(path, ask, signal);
  if (isSupported(parseVersion(version))) return version;
  throw new FksError("Unsupported", `${path} is K3s ${version}, and fks-node knows ${SUPPORTED}`);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** Whoever puts the release's files here by hand may well forget it. */
function makeExecutable(path: string): void {
  if (isExecutable(path)) return;
  try {
    chmodSync(path, 0o755);
  } catch {
    // Running it tells.
  }
}
