import { mkdir, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import writeFileAtomic from "write-file-atomic";
import { FksError } from "#core/errors.ts";

interface WriteOptions {
  /** Permission bits of the file. */
  readonly mode?: number;
}

/**
 * Writes a file whole or not at all, readable by its owner only unless `mode` says otherwise.
 *
 * Folders that are missing are made with mode 0700. Throws what `fileError` makes of a failure.
 */
export async function writeFile(
  path: string,
  content: string | Buffer,
  { mode = 0o600 }: WriteOptions = {},
): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await writeFileAtomic(path, content, { mode });
  } catch (error) {
    throw fileError(path, error);
  }
}

/** The text of a file, undefined when there is none. Throws what `fileError` makes of a failure. */
export async function readTextIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw fileError(path, error);
  }
}

/** What the host said about a file, as a failure the node knows how to explain. */
export function fileError(path: string, cause: unknown): unknown {
  switch (codeOf(cause)) {
    case "ENOENT":
      return new FksError("NotFound", `${path} does not exist`, { cause });
    case "ENOSPC":
    case "EDQUOT":
      return new FksError("Unavailable", `no space left to write ${path}`, { cause });
    case "EACCES":
    case "EPERM":
      return new FksError("Forbidden", `no permission for ${path}`, { cause });
    case "EROFS":
      return new FksError("Forbidden", `${path} is on a read-only file system`, { cause });
    case "EISDIR":
      return new FksError("InvalidInput", `${path} is a folder, not a file`, { cause });
    case "ENOTDIR":
    case "EEXIST":
    case "ENAMETOOLONG":
      return new FksError("InvalidInput", `${path} cannot be used as a path here`, { cause });
    default:
      return cause;
  }
}

/** The host's name of a failure, such as `ENOENT`; empty when it has none. */
function codeOf(error: unknown): string {
  if (!(error instanceof Error) || !("code" in error)) return "";
  return typeof error.code === "string" ? error.code : "";
}
