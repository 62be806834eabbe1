import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { z } from "zod";
import type { ProcessIdentity } from "#core/ports/processes.ts";

const schema = z.record(z.string(), z.object({ pid: z.number(), startedAt: z.string() }));

/** The process with this number as it is now; undefined when there is none. */
export type IdentityOf = (pid: number) => ProcessIdentity | undefined;

export interface ChildRecords {
  remember(name: string, pid: number): void;
  forget(name: string): void;
}

/**
 * Writes down which children run, at once and before anything else happens: the next process of
 * ours reads it when this one was killed.
 */
export function childRecords(path: string, identityOf: IdentityOf): ChildRecords {
  // A name keeps its place when its process is replaced: the order is that of the first starts.
  const children = new Map<string, ProcessIdentity | undefined>();

  function save(): void {
    try {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      writeFileSync(`${path}.tmp`, JSON.stringify(Object.fromEntries(children)), { mode: 0o600 });
      renameSync(`${path}.tmp`, path);
    } catch {
      // A full disk must not end children that run well; the next change is written whole again.
    }
  }

  return {
    remember(name, pid) {
      const identity = identityOf(pid);
      if (identity === undefined) return;
      children.set(name, identity);
      save();
    },
    forget(name) {
      children.set(name, undefined);
      save();
    },
  };
}

/** Children that a predecessor wrote down and that still run, by name, in the order of their starts. */
export function leftoversIn(
  path: string,
  identityOf: IdentityOf,
): ReadonlyMap<string, ProcessIdentity> {
  const written = Object.entries(recordsIn(path));
  return new Map(
    written.filter(([, { pid, startedAt }]) => identityOf(pid)?.startedAt === startedAt),
  );
}

/** A file that is missing or was cut off by a crash names no children. */
function recordsIn(path: string): z.infer<typeof schema> {
  try {
    return schema.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch {
    return {};
  }
}
