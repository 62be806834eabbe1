import { X509Certificate } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { isMissing, textIfThere } from "../text-file.ts";
import type { K3sFiles } from "./files.ts";

const DAY_MS = 86_400_000;

/**
 * K3s renews a certificate of a year when it starts and less than 120 days are left, or 90 as its
 * documentation has it: with fewer than either, a start is sure to help.
 */
const RENEWED_BELOW_MS = 85 * DAY_MS;

/** A certificate that is no authority's. */
interface Leaf {
  /** Of its file. */
  readonly name: string;
  readonly endsAtMs: number;
}

/** The certificates K3s issued for its parts, the one that ends first before the others. */
export async function leavesIn({ tls }: K3sFiles): Promise<readonly Leaf[]> {
  const names = await namesIn(tls);
  const leaves = await Promise.all(
    names.map(async (name) => leafIn(name, await textIfThere(join(tls, name)))),
  );
  return leaves
    .filter((leaf) => leaf !== undefined)
    .toSorted((a, b) => a.endsAtMs - b.endsAtMs || a.name.localeCompare(b.name));
}

/**
 * Why K3s has to be started anew now; undefined when it need not. Pure.
 *
 * `sinceMs` is its last start, or the last one that was planned: a certificate that was old enough
 * to be renewed then, and was not, is not going to be next time either.
 */
export function restartReasonFor(
  leaves: readonly Leaf[],
  { sinceMs, nowMs }: { readonly sinceMs: number; readonly nowMs: number },
): string | undefined {
  const isOld = ({ endsAtMs }: Leaf, atMs: number): boolean => endsAtMs - atMs < RENEWED_BELOW_MS;
  const due = leaves.find((leaf) => isOld(leaf, nowMs) && !isOld(leaf, sinceMs));
  if (due === undefined) return undefined;
  const days = Math.max(0, Math.floor((due.endsAtMs - nowMs) / DAY_MS));
  return `certificate ${due.name} ends in ${days} days and is renewed by a start alone`;
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return (await readdir(folder)).filter((name) => name.endsWith(".crt"));
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

/** A file may hold a chain; its first certificate is the one it is about. */
function leafIn(name: string, text: string | undefined): Leaf | undefined {
  try {
    const certificate = new X509Certificate(text ?? "");
    const endsAtMs = Date.parse(certificate.validTo);
    return certificate.ca || Number.isNaN(endsAtMs) ? undefined : { name, endsAtMs };
  } catch {
    // Half a file: written at this moment, or by a start that was cut short and comes again.
    return undefined;
  }
}
