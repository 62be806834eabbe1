import { readdirSync, readFileSync, readlinkSync, realpathSync } from "node:fs";
import { FksError } from "#core/errors.ts";
import type { Clock } from "#core/ports/clock.ts";
import type { Log } from "#core/ports/log.ts";
import type { IdentityOf, ProcessIdentity } from "./child-records.ts";
import { endProcess } from "./orphans.ts";

/** Bits of an open file's flags that say how it may be used: reading alone is 0. */
const ACCESS_MODE = 0o3;

interface AloneOptions {
  /** Folders of databases. Never one that containers have files in. */
  readonly folders: readonly string[];
  /** Where children of ours write to: who does that is one of them. */
  readonly logs: string;
  readonly identityOf: IdentityOf;
  readonly commandLineOf: (pid: number) => string;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Ends children of ours that work in `folders` although nobody wrote them down. Call under the
 * lock of the data directory, before anything is started: a second K3s shares the port of the
 * first one silently, and takes its datastore's socket away.
 *
 * Resolves with their command lines when all are gone. Throws `Conflict` naming process and
 * command when somebody else has a file there open for writing; then nobody is ended.
 */
export async function requireAlone(options: AloneOptions, signal: AbortSignal): Promise<string[]> {
  const { commandLineOf, log } = options;
  const found = strangersIn(options);
  const other = found.find(({ isOurs }) => !isOurs);
  if (other !== undefined) {
    const { pid } = other.identity;
    throw new FksError(
      "Conflict",
      `process ${pid} (${shown(commandLineOf(pid))}) has ${other.path} open: end it first`,
    );
  }
  const commands = found.map(({ identity }) => shown(commandLineOf(identity.pid)));
  for (const [index, { identity }] of found.entries()) {
    log.warn("forgotten child is ended", { pid: identity.pid, command: commands[index] });
    await endProcess(identity, options, signal);
  }
  return commands;
}

interface Stranger {
  readonly identity: ProcessIdentity;
  readonly isOurs: boolean;
  /** What it works in or on. */
  readonly path: string;
}

/** Who works in `folders`: children of ours by their logs, and whoever has a file there open for writing. */
export function strangersIn({
  folders,
  logs,
  identityOf,
}: Pick<AloneOptions, "folders" | "logs" | "identityOf">): readonly Stranger[] {
  const inFolders = isBelowOneOf(folders);
  const inLogs = isBelowOneOf([logs]);
  return pidsOnHost().flatMap((pid) => {
    const identity = identityOf(pid);
    if (identity === undefined || pid === process.pid) return [];
    const files = openFilesOf(pid);
    // A program can hide its arguments and its environment, but not where its output goes.
    const isOurs = files.some(({ fd, path }) => [1, 2].includes(fd) && inLogs(path));
    const path = isOurs
      ? [linkOf(`/proc/${pid}/cwd`), ...files.map((file) => file.path)].find(inFolders)
      : // To look at a file, or to stand in a folder, harms nobody.
        files.find((file) => inFolders(file.path) && mayWrite(pid, file.fd))?.path;
    return path === undefined ? [] : [{ identity, isOurs, path }];
  });
}

/** Whether a path as the kernel tells it is one of `folders` or lies in it. */
function isBelowOneOf(folders: readonly string[]): (path: string) => boolean {
  const real = folders.map(realPathOf);
  return (path) => real.some((folder) => path === folder || path.startsWith(`${folder}/`));
}

/** A folder that is not there yet has nobody in it. */
function realPathOf(folder: string): string {
  try {
    return realpathSync(folder);
  } catch {
    return folder;
  }
}

function pidsOnHost(): readonly number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

function openFilesOf(pid: number): readonly { readonly fd: number; readonly path: string }[] {
  try {
    return readdirSync(`/proc/${pid}/fd`)
      .map((fd) => ({ fd: Number(fd), path: linkOf(`/proc/${pid}/fd/${fd}`) }))
      .filter(({ path }) => path.startsWith("/"));
  } catch {
    return []; // Gone while we looked, or not ours to see.
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return ""; // Closed or gone while we looked.
  }
}

function mayWrite(pid: number, fd: number): boolean {
  try {
    const flags = /^flags:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/fdinfo/${fd}`, "utf8"))?.[1];
    return (Number.parseInt(flags ?? "0", 8) & ACCESS_MODE) !== 0;
  } catch {
    return false;
  }
}

function shown(commandLine: string): string {
  return commandLine.replace(/\s+/g, " ").slice(0, 120);
}
