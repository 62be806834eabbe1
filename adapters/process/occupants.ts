import { readdirSync, readFileSync, readlinkSync, realpathSync } from "node:fs";
import type { ProcessIdentity } from "#core/ports/processes.ts";
import type { IdentityOf } from "./child-records.ts";

/** Bits of an open file's flags that say how it may be used: reading alone is 0. */
const ACCESS_MODE = 0o3;

export interface OccupantsOptions {
  /** Folders of databases. Never one that containers have files in. */
  readonly folders: readonly string[];
  /** Where children of ours write to: who does that is one of them. */
  readonly logs: string;
  readonly identityOf: IdentityOf;
}

export interface Occupant {
  readonly identity: ProcessIdentity;
  /** What it works in or on. */
  readonly path: string;
}

interface Occupants {
  /** Children of ours: while none should run, leftovers. */
  readonly ours: readonly Occupant[];
  /** Everybody else who has a file there open for writing. */
  readonly strangers: readonly Occupant[];
}

/** Who works in `folders` at this moment. */
export function occupantsOf({ folders, logs, identityOf }: OccupantsOptions): Occupants {
  const inFolders = isBelowOneOf(folders);
  const inLogs = isBelowOneOf([logs]);
  const ours: Occupant[] = [];
  const strangers: Occupant[] = [];
  for (const pid of pidsOnHost()) {
    const identity = identityOf(pid);
    if (identity === undefined || pid === process.pid) continue;
    const files = openFilesOf(pid);
    // A program can hide its arguments and its environment, but not where its output goes.
    const isOurs = files.some(({ fd, path }) => [1, 2].includes(fd) && inLogs(path));
    const path = isOurs
      ? [linkOf(`/proc/${pid}/cwd`), ...files.map((file) => file.path)].find(inFolders)
      : // To look at a file, or to stand in a folder, harms nobody.
        files.find((file) => inFolders(file.path) && mayWrite(pid, file.fd))?.path;
    if (path !== undefined) (isOurs ? ours : strangers).push({ identity, path });
  }
  return { ours, strangers };
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
