import { readdir, readlink, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { isMissing } from "../text-file.ts";
import type { K3sFiles } from "./files.ts";

/** A release is unpacked into a folder that is named by its hash. */
const RELEASE = /^[0-9a-f]{64}$/;

/**
 * Removes what K3s unpacked of releases that are neither its current nor its previous one, some
 * 250 MB each: it never does so itself. Returns their names.
 */
export async function pruneUnpacked({ unpacked }: K3sFiles): Promise<readonly string[]> {
  const [names, current, previous] = await Promise.all([
    ifThere(readdir(unpacked)),
    ifThere(readlink(join(unpacked, "current"))),
    ifThere(readlink(join(unpacked, "previous"))),
  ]);
  // Where none is current, none is known to be old.
  if (names === undefined || current === undefined) return [];
  const kept = new Set([basename(current), basename(previous ?? "")]);
  const old = names.filter((name) => RELEASE.test(name) && !kept.has(name)).toSorted();
  for (const name of old) await rm(join(unpacked, name), { recursive: true, force: true });
  return old;
}

async function ifThere<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
