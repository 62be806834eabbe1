import { statSync } from "node:fs";
import { type FileHandle, mkdir, open } from "node:fs/promises";
import { dirname, join } from "node:path";
import { FksError } from "#core/errors.ts";
import { objectsIn } from "./database-copy.ts";
import { requireSpace } from "./folders.ts";
import {
  DATABASE_FILE,
  MANIFEST_FILE,
  MANIFEST_SUM_FILE,
  type Manifest,
  type ManifestFile,
  manifestOf,
} from "./manifest.ts";
import { sha256OfText } from "./sha256.ts";
import { type TarMember, tarMembers } from "./tar.ts";

const MANIFEST_MAX_BYTES = 1 << 20;

/**
 * Unpacks a backup into an empty folder of ours, under the names it has in the archive, and checks
 * all of it: every digest, the order, the end, and the database.
 *
 * What is there afterwards is on the disk, too. Throws FksErrors that name `file`: `InvalidInput`
 * when it is damaged or something else, `Unsupported` for another format, `NotFound`,
 * `Unavailable` when it does not fit.
 */
export async function unpackBackup(
  file: string,
  folder: string,
  signal: AbortSignal,
): Promise<Manifest> {
  const handle = await openBackup(file);
  try {
    const members = tarMembers(handle);
    const manifest = await manifestIn(members);
    requireSpace(folder, sumOf(manifest.files.map(({ bytes }) => bytes)));
    for (const expected of manifest.files) {
      const member = await next(members);
      if (member?.name !== expected.path || member.bytes !== expected.bytes) {
        throw unexpected(member, expected.path);
      }
      await unpack(member, expected, folder, signal);
    }
    const more = await next(members);
    if (more !== undefined) throw unexpected(more, "its end");
    requireSameObjects(manifest, folder);
    return manifest;
  } catch (error) {
    throw about(file, error);
  } finally {
    await handle.close();
  }
}

async function openBackup(file: string): Promise<FileHandle> {
  const found = statSync(file, { throwIfNoEntry: false });
  if (found === undefined) throw new FksError("NotFound", `there is no file ${file}`);
  if (!found.isFile()) throw new FksError("InvalidInput", `${file} is no file`);
  return open(file, "r");
}

async function manifestIn(members: AsyncGenerator<TarMember>): Promise<Manifest> {
  const first = await next(members).catch((cause: unknown) => {
    throw FksError.is(cause, "InvalidInput") ? notOurs(cause) : cause;
  });
  if (first?.name !== MANIFEST_FILE || first.bytes > MANIFEST_MAX_BYTES) throw notOurs();
  const text = await textOf(first);
  const sum = await next(members);
  if (sum?.name !== MANIFEST_SUM_FILE || sum.bytes > MANIFEST_MAX_BYTES) throw notOurs();
  if (!(await textOf(sum)).startsWith(sha256OfText(text))) {
    throw new FksError("InvalidInput", `is damaged: ${MANIFEST_FILE} is not what was written`);
  }
  return manifestOf(text);
}

async function unpack(
  member: TarMember,
  expected: ManifestFile,
  folder: string,
  signal: AbortSignal,
): Promise<void> {
  // A name of the manifest's closed list, so that it cannot lead elsewhere.
  const path = join(folder, expected.path);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const hasher = new Bun.CryptoHasher("sha256");
  const handle = await open(path, "wx", 0o600);
  try {
    for await (const chunk of member.content()) {
      signal.throwIfAborted();
      hasher.update(chunk);
      await handle.writeFile(chunk);
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
  if (hasher.digest("hex") === expected.sha256) return;
  throw new FksError("InvalidInput", `is damaged: ${expected.path} is not what was written`);
}

/** The digests say that nothing changed since; this says that it was good. */
function requireSameObjects(manifest: Manifest, folder: string): void {
  const objects = objectsIn(join(folder, DATABASE_FILE), `its ${DATABASE_FILE}`);
  if (objects === manifest.objects) return;
  throw new FksError(
    "InvalidInput",
    `is damaged: its datastore has ${objects} objects, not ${manifest.objects}`,
  );
}

async function next(members: AsyncGenerator<TarMember>): Promise<TarMember | undefined> {
  const { done, value } = await members.next();
  return done === true ? undefined : value;
}

async function textOf(member: TarMember): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of member.content()) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

function unexpected(member: TarMember | undefined, expected: string): FksError {
  const found = member === undefined ? "its end" : JSON.stringify(member.name);
  return new FksError("InvalidInput", `is damaged: ${found} stands where ${expected} should be`);
}

function notOurs(cause?: unknown): FksError {
  return new FksError("InvalidInput", "is no backup of fks-node", { cause });
}

/** Half sentences about the archive become whole ones. */
function about(file: string, error: unknown): unknown {
  const isHalf = FksError.is(error, "InvalidInput") || FksError.is(error, "Unsupported");
  return isHalf ? new FksError(error.code, `${file} ${error.message}`, { cause: error }) : error;
}

function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0);
}
