import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";

/**
 * What images are made of, on disk and shared by all of them:
 *
 * ```
 * blobs/sha256/<hex>    manifests, configs and layers as they came, whole and checked
 * roots/<hex>/          the flattened root file system of the config with this digest
 * tmp/<process>/…       whatever is not finished; a later process removes what a dead one left
 * ```
 *
 * Things appear under their final name by a rename, so what has a name is complete.
 */
export interface Content {
  readonly folder: string;
  hasBlob(digest: string): boolean;
  blobPath(digest: string): string;
  /** Throws the platform's error when it is not there. */
  readBlob(digest: string): Uint8Array;
  /** Takes a finished file of the scratch folder in; one that is there already stays. */
  adoptBlob(file: string, digest: string): void;
  hasRoot(configDigest: string): boolean;
  rootPath(configDigest: string): string;
  adoptRoot(folder: string, configDigest: string): void;
  /** A new empty folder for unfinished things; the caller removes it. */
  scratch(): string;
  removeScratch(folder: string): void;
  digests(): { readonly blobs: readonly string[]; readonly roots: readonly string[] };
  removeBlob(digest: string): void;
  removeRoot(configDigest: string): Promise<void>;
  /** Removes what processes left that are no more. */
  removeLeftovers(): void;
}

export function contentIn(folder: string): Content {
  const blobs = join(folder, "blobs", "sha256");
  const roots = join(folder, "roots");
  const unfinished = join(folder, "tmp");
  const own = join(unfinished, processName(process.pid) ?? String(process.pid));
  // Roots hold set-uid programs: nobody but their owner may get at them.
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (const path of [blobs, roots, own]) mkdirSync(path, { recursive: true, mode: 0o700 });

  const blobPath = (digest: string): string => join(blobs, hexOf(digest));
  const rootPath = (digest: string): string => join(roots, hexOf(digest));
  const scratch = (): string => {
    mkdirSync(own, { recursive: true, mode: 0o700 });
    return mkdtempSync(join(own, "x"));
  };

  return {
    folder,
    blobPath,
    rootPath,
    scratch,
    removeScratch: (path) => rmSync(path, { recursive: true, force: true }),
    hasBlob: (digest) => existsSync(blobPath(digest)),
    hasRoot: (digest) => existsSync(rootPath(digest)),
    readBlob: (digest) => readFileSync(blobPath(digest)),
    adoptBlob(file, digest) {
      if (!existsSync(blobPath(digest))) renameSync(file, blobPath(digest));
    },
    adoptRoot(from, digest) {
      try {
        renameSync(from, rootPath(digest));
      } catch (error) {
        // Another process unpacked the same image meanwhile: its root is as good as ours.
        if (!existsSync(rootPath(digest))) throw error;
      }
    },
    digests: () => ({
      blobs: readdirSync(blobs).map((hex) => `sha256:${hex}`),
      roots: readdirSync(roots).map((hex) => `sha256:${hex}`),
    }),
    removeBlob: (digest) => rmSync(blobPath(digest), { force: true }),
    async removeRoot(digest) {
      // First out of sight, then away: a root half removed must never be found.
      const grave = scratch();
      renameSync(rootPath(digest), join(grave, "root"));
      await rm(grave, { recursive: true, force: true });
    },
    removeLeftovers() {
      for (const name of readdirSync(unfinished)) {
        const pid = Number(name.split("-", 1)[0]);
        if (processName(pid) === name) continue;
        rmSync(join(unfinished, name), { recursive: true, force: true });
      }
    },
  };
}

function hexOf(digest: string): string {
  const hex = digest.replace(/^sha256:/, "");
  if (!/^[0-9a-f]{64}$/.test(hex)) throw new Error(`"${digest}" is no digest`);
  return hex;
}

/** A process by number and start time: numbers are used again. `undefined` when there is none. */
function processName(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const afterName = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return `${pid}-${afterName[19] ?? "0"}`;
  } catch {
    return undefined;
  }
}
