import {
  closeSync,
  copyFileSync,
  existsSync,
  openSync,
  realpathSync,
  rmSync,
  statSync,
} from "node:fs";
import { mkdir } from "node:fs/promises";
import { homedir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileError, readTextIfThere, writeFile } from "#adapters/host/files.ts";
import { FksError } from "#core/errors.ts";
import type { Environment } from "./config.ts";
import type { KubeconfigFile } from "./kubeconfig-merge.ts";

interface UserKubeconfig {
  readonly files: readonly KubeconfigFile[];
  readonly newEntriesIn: string;
}

/** The user's kubeconfig files by kubectl's rules: every path of `KUBECONFIG`, else ~/.kube/config. */
export async function userKubeconfig(env: Environment): Promise<UserKubeconfig> {
  const named = (env["KUBECONFIG"] ?? "").split(delimiter).filter((path) => path !== "");
  const paths = named.length > 0 ? named : [join(env["HOME"] || homedir(), ".kube/config")];
  const files = await Promise.all(
    paths.map(async (path) => ({ path, text: await readTextIfThere(path) })),
  );
  const newEntriesIn = paths.find((path) => existsSync(path)) ?? paths.at(-1) ?? "";
  return { files, newEntriesIn };
}

/**
 * Replaces a kubeconfig in one step and keeps the old one beside it as `<file>.bak`.
 *
 * Permissions and symbolic links stay. Throws `Conflict` while a kubectl holds the file's lock.
 */
export async function replaceKubeconfig(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const lock = `${path}.lock`;
  takeLock(lock);
  try {
    if (!existsSync(path)) {
      await writeFile(path, text);
      return;
    }
    const target = realpathSync(path);
    copyFileSync(target, `${target}.bak`);
    await writeFile(target, text, { mode: statSync(target).mode & 0o777 });
  } catch (error) {
    throw fileError(path, error);
  } finally {
    rmSync(lock, { force: true });
  }
}

/** kubectl makes the same file while it writes. */
function takeLock(lock: string): void {
  try {
    closeSync(openSync(lock, "wx"));
  } catch (cause) {
    const error = fileError(lock, cause);
    if (!FksError.is(error, "InvalidInput")) throw error;
    const sentence = `${lock} exists: another program changes this file, or one that did has crashed`;
    throw new FksError("Conflict", sentence, { cause });
  }
}
