import { FksError } from "../errors.ts";
import type { Addresses } from "../ports/addresses.ts";
import type { Apps } from "../ports/apps.ts";
import type { Machines } from "../ports/machines.ts";

export interface CleanDeps {
  readonly apps: Apps;
  readonly machines: Machines;
  readonly addresses: Addresses;
  readonly clusterUid: string;
}

/** An App whose namespace is gone, or as good as gone. */
export interface LeftApp {
  readonly app: string;
  /** Set for an App that a label named: only what is that namespace's goes, the App stays. */
  readonly adoptedBy?: string;
}

/**
 * One step towards nothing being left: Machines first, then addresses, then the App with its secrets.
 * False while Machines are still ending. Idempotent; an App that is gone is a success.
 */
export async function cleanApp(
  deps: CleanDeps,
  { app, adoptedBy }: LeftApp,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    return await clean(deps, { app, ...(adoptedBy === undefined ? {} : { adoptedBy }) }, signal);
  } catch (error) {
    // Another organisation's: then nothing in it is ours.
    if (FksError.is(error, "NotFound") || FksError.is(error, "Forbidden")) return true;
    throw error;
  }
}

async function clean(
  { apps, machines, addresses, clusterUid }: CleanDeps,
  { app, adoptedBy }: LeftApp,
  signal: AbortSignal,
): Promise<boolean> {
  const stamps =
    adoptedBy === undefined ? {} : { fks_cluster: clusterUid, fks_namespace: adoptedBy };
  const left = await machines.list(app, stamps, signal);
  for (const { id } of left) await machines.destroy(app, id, true, signal);
  if (left.length > 0) return false;

  for (const { ip, service_name } of await addresses.list(app, signal)) {
    if (adoptedBy === undefined || service_name !== "") await addresses.release(app, ip, signal);
  }
  if (adoptedBy === undefined) await apps.destroy(app, signal);
  return true;
}
