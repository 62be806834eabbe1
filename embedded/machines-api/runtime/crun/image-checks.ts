import { accessSync, constants, lstatSync, readFileSync } from "node:fs";
import { posix } from "node:path";
import { FksError } from "#core/errors.ts";
import { CONTAINER_PATH } from "../../program-path.ts";
import type { ContainerSpec } from "../runtime.ts";
import { insideRoot } from "./inside-root.ts";
import { type ContainerUser, containerUserFor } from "./users.ts";

/** One argument or variable, its end included, and all of them: a quarter of the usual stack. */
const EXEC_TEXT_MAX_BYTES = 128 * 1024;
const EXEC_TOTAL_MAX_BYTES = 2 * 1024 * 1024;
/** Larger ones are not read: no image needs them. */
const ACCOUNTS_MAX_BYTES = 4 * 1024 * 1024;

/** The container's user as `root` knows it; see `containerUserFor`. */
export function userIn(root: string, container: ContainerSpec): ContainerUser {
  const { user, image, groups, security } = container;
  return containerUserFor(
    { user: user === "" ? (image.User ?? "") : user, groups, security },
    textIn(root, "/etc/passwd"),
    textIn(root, "/etc/group"),
  );
}

/**
 * Throws FksError `InvalidInput`, in the words of other runtimes, when the program is not there: our
 * own init would start all the same and could only end with a code. Volumes are not looked into.
 */
export function checkProgram(
  root: string,
  { args, env, cwd, mounts }: Pick<ContainerSpec, "args" | "env" | "cwd" | "mounts">,
): void {
  const [program = ""] = args;
  if (program === "") throw new FksError("InvalidInput", "no command specified");
  const unfit = unfitReason([...args, ...env]);
  if (unfit !== undefined) throw cannotExec(program, unfit);
  const hidden = mounts.find(({ path }) => posix.resolve("/", path) === "/");
  if (hidden !== undefined) throw cannotExec(program, "a mount at / hides the image");
  const candidates = program.includes("/")
    ? [posix.resolve("/", cwd, program)]
    : searchPathOf(env).map((folder) => posix.join(folder, program));
  if (candidates.some((path) => mounts.some((mount) => isAtOrBelow(path, mount.path)))) return;

  const files = candidates.map((path) => insideRoot(root, path));
  if (files.some(isProgram)) return;
  const found = files.find((path) => lstatSync(path, { throwIfNoEntry: false }) !== undefined);
  const reason =
    found !== undefined
      ? "permission denied"
      : program.includes("/")
        ? "no such file or directory"
        : "executable file not found in $PATH";
  throw cannotExec(program, reason);
}

function cannotExec(program: string, reason: string): FksError {
  return new FksError("InvalidInput", `exec: ${JSON.stringify(program)}: ${reason}`);
}

/** Why the kernel would take no such arguments and variables: execve(2). */
function unfitReason(texts: readonly string[]): string | undefined {
  if (texts.some((text) => text.includes("\0"))) return "invalid argument";
  const sizes = texts.map((text) => Buffer.byteLength(text) + 1);
  const isTooLong =
    sizes.some((size) => size > EXEC_TEXT_MAX_BYTES) ||
    sizes.reduce((sum, size) => sum + size, 0) > EXEC_TOTAL_MAX_BYTES;
  return isTooLong ? "argument list too long" : undefined;
}

function isAtOrBelow(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder.replace(/\/$/, "")}/`);
}

function searchPathOf(env: readonly string[]): readonly string[] {
  const given = env.findLast((entry) => entry.startsWith("PATH="))?.slice("PATH=".length);
  return (given ?? CONTAINER_PATH).split(":").filter((folder) => folder !== "");
}

function isProgram(path: string): boolean {
  if (lstatSync(path, { throwIfNoEntry: false })?.isFile() !== true) return false;
  try {
    // Root passes when anybody may execute it.
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function textIn(root: string, path: string): string {
  const file = insideRoot(root, path);
  const stats = lstatSync(file, { throwIfNoEntry: false });
  if (stats?.isFile() !== true || stats.size > ACCOUNTS_MAX_BYTES) return "";
  return readFileSync(file, "utf8");
}
