import {
  chmodSync,
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statfsSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { FksError } from "#core/errors.ts";
import { type Teller, teller } from "../teller.ts";
import { publishedChecksums, sha256Of } from "./checksums.ts";
import { lockFile } from "./file-lock.ts";
import { persistently } from "./persistence.ts";
import { type Release, urlOf } from "./release.ts";
import { get, refusalOf, type Web } from "./web.ts";

const MIB = 1_024 ** 2;
/** K3s' own builds are refused above 80 MiB. */
const BYTES_USUAL = 80 * MIB;
const BYTES_MAX = 200 * MIB;

export interface Download {
  readonly release: Release;
  /** Base URL of releases. */
  readonly releases: string;
  /** Of this release, in the cache; made when missing. */
  readonly folder: string;
  readonly web: Web;
  /** Hears a sentence for people, at most two a second. */
  onProgress(line: string): void;
}

/**
 * Brings the release's executable into the folder, whole, checked and by one rename, and the
 * checksum file beside it. Tells whether it had to be fetched: another process may have been faster.
 *
 * What has come stays in `<name>.part` when it breaks off or `signal` aborts, and the next try goes
 * on from there. Throws FksError with one sentence.
 */
export async function downloadK3s(
  download: Download,
  signal: AbortSignal,
): Promise<"download" | "cache"> {
  const { release, folder, web } = download;
  const path = join(folder, release.binary);
  const tell = teller((line) => download.onProgress(line));
  try {
    const { sha256, text } = await wantedDigest(download, signal);
    mkdirSync(folder, { recursive: true });
    const onWait = (): void => tell.say(`Another process fetches K3s ${release.version}: waiting`);
    using _ = await lockFile(join(folder, ".lock"), { clock: web.clock, onWait }, signal);

    const isThere = existsSync(path) && (await sha256Of(path, signal)) === sha256;
    // The checksums first: without them beside it the executable could not be checked later.
    if (text !== undefined) writeWhole(join(folder, release.checksums), text);
    if (!isThere) await fetchBinary({ ...download, path, sha256, tell }, signal);
    return isThere ? "cache" : "download";
  } catch (error) {
    signal.throwIfAborted();
    const failure = error instanceof FksError ? error : fileFailure(folder, error);
    if (failure === undefined) throw error;
    const sentence = `K3s ${release.version} cannot be downloaded: ${failure.message}`;
    throw new FksError(failure.code, sentence, { cause: error });
  }
}

/** A recorded digest is the one that counts; without, the one published with the release. */
async function wantedDigest(
  { release, releases, web }: Download,
  signal: AbortSignal,
): Promise<{ readonly sha256: string; readonly text?: string }> {
  if (release.sha256 !== undefined) return { sha256: release.sha256 };
  const url = urlOf(releases, release.version, release.checksums);
  return publishedChecksums(web, { url, file: release.binary }, signal);
}

interface Job extends Download {
  readonly path: string;
  readonly sha256: string;
  readonly tell: Teller;
}

/** What has come so far, in a file that is not executable and not yet called K3s. */
interface Part {
  readonly fd: number;
  readonly path: string;
  size: number;
  /** Its bytes come from more than one answer, perhaps of files that are not the same. */
  isJoined: boolean;
}

async function fetchBinary(job: Job, signal: AbortSignal): Promise<void> {
  const part = openPart(`${job.path}.part`);
  try {
    await fillPart(job, part, signal);
    fsyncSync(part.fd);
  } finally {
    // Closed before anybody runs it: a file that is open for writing cannot be.
    closeSync(part.fd);
    if (part.size === 0) rmSync(part.path, { force: true });
  }
  chmodSync(part.path, 0o755);
  renameSync(part.path, job.path);
  job.tell.say(`K3s ${job.release.version} is downloaded and checked`);
}

function openPart(path: string): Part {
  const fd = openSync(path, "a");
  return { fd, path, size: fstatSync(fd).size, isJoined: false };
}

/** Fills the part with a file that has the digest; the second wrong one in a row is the last. */
async function fillPart(job: Job, part: Part, signal: AbortSignal): Promise<void> {
  const { binary, version } = job.release;
  const { host } = new URL(job.releases);
  const goingOn = part.size === 0 ? "" : `, going on at ${mib(part.size)} MiB`;
  job.tell.say(`Downloading K3s ${version} from ${host}${goingOn}`);

  for (let started = 1; ; started += 1) {
    await persistently(
      job.web,
      () => transfer(job, part, signal),
      () => part.size,
      signal,
    );
    const sha256 = await sha256Of(part.path, signal);
    if (sha256 === job.sha256) return;

    const { isJoined } = part;
    empty(part);
    if (!isJoined || started > 1) {
      const source = job.release.sha256 === undefined ? job.release.checksums : "fks-node";
      throw new FksError(
        "InvalidInput",
        `${binary} from ${host} has sha256 ${sha256.slice(0, 12)}…, and ${source} says ${job.sha256.slice(0, 12)}…`,
      );
    }
    job.tell.say(
      `What was there of K3s ${version} does not go with what came: once more from the start`,
    );
  }
}

/** Appends what is missing, as far as it comes. */
async function transfer(job: Job, part: Part, signal: AbortSignal): Promise<void> {
  const { release, web, tell } = job;
  const url = urlOf(job.releases, release.version, release.binary);
  const headers: Record<string, string> = part.size === 0 ? {} : { range: `bytes=${part.size}-` };
  await using answer = await get(web, { url, headers }, signal);

  if (part.size > 0 && [206, 416].includes(answer.status)) {
    part.isJoined = true;
    // Nothing is left to come; whether it is the right file its digest will tell.
    if (answer.status === 416) return;
    if (!(answer.headers.get("content-range") ?? "").startsWith(`bytes ${part.size}-`)) {
      empty(part);
      throw new FksError("Unavailable", `${answer.host} sent another part than asked for`, {
        retryAfterMs: 0,
      });
    }
  } else if (answer.status === 200) {
    empty(part);
  } else {
    throw refusalOf(answer, release.binary, web);
  }

  const length = answer.headers.get("content-length");
  const total = length === null ? undefined : part.size + Number(length);
  requireSize(total ?? 0, `${release.binary} from ${answer.host}`);
  requireSpace(job.folder, (total ?? BYTES_USUAL) - part.size);
  for await (const piece of answer.pieces) {
    if (part.size + piece.length > BYTES_MAX) empty(part);
    requireSize(part.size + piece.length, `${release.binary} from ${answer.host}`);
    append(part, piece);
    tell.sayNowAndThen(() => `K3s ${release.version}: ${progressOf(part.size, total)}`);
  }
}

function requireSize(bytes: number, what: string): void {
  if (bytes <= BYTES_MAX) return;
  throw new FksError(
    "InvalidInput",
    `${what} is larger than the ${BYTES_MAX / MIB} MiB a K3s may have`,
  );
}

function requireSpace(folder: string, bytes: number): void {
  const { bavail, bsize } = statfsSync(folder);
  const free = bavail * bsize;
  if (free >= bytes) return;
  const sentence = `${folder} has ${mib(free)} MiB of free space, and ${mib(bytes)} MiB are needed`;
  throw new FksError("Unavailable", sentence);
}

function append(part: Part, piece: Uint8Array): void {
  for (let at = 0; at < piece.length; ) {
    const written = writeSync(part.fd, piece, at);
    at += written;
    part.size += written;
  }
}

function empty(part: Part): void {
  ftruncateSync(part.fd, 0);
  part.size = 0;
  part.isJoined = false;
}

/** `12.3 of 77.5 MiB, 16 %` */
function progressOf(size: number, total: number | undefined): string {
  if (total === undefined) return `${mib(size)} MiB`;
  return `${mib(size)} of ${mib(total)} MiB, ${Math.floor((size / total) * 100)} %`;
}

function mib(bytes: number): string {
  return (bytes / MIB).toFixed(1);
}

function writeWhole(path: string, text: string): void {
  writeFileSync(`${path}.tmp`, text);
  renameSync(`${path}.tmp`, path);
}

/** What this host says of the cache's files, as a sentence; undefined when it is none of that. */
function fileFailure(folder: string, cause: unknown): FksError | undefined {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  switch (code) {
    case "ENOSPC":
    case "EDQUOT":
      return new FksError("Unavailable", `no space is left in ${folder}`, { cause });
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return new FksError("Forbidden", `${folder} cannot be written (${code})`, { cause });
    case "ENOTDIR":
    case "EEXIST":
    case "EISDIR":
      return new FksError("InvalidInput", `${folder} cannot be a folder (${code})`, { cause });
    default:
      return undefined;
  }
}
