import { FksError } from "../errors.ts";
import type { Addresses } from "../ports/addresses.ts";
import type { Apps } from "../ports/apps.ts";
import type { Machines } from "../ports/machines.ts";
import type { Volumes } from "../ports/volumes.ts";

export interface CleanDeps {
  readonly apps: Apps;
  readonly machines: Machines;
  readonly addresses: Addresses;
  readonly volumes: Pick<Volumes, "list">;
  readonly reclaimPolicies: ReclaimPolicies;
  readonly clusterUid: string;
}

/** By id of a Fly volume what is to become of it without its claim. Complete, or it throws. */
export type ReclaimPolicies = (signal: AbortSignal) => Promise<ReadonlyMap<string, string>>;

/** `ending`: ask again. `kept`: the App stays for the volumes in it that nobody said may go. */
export type Cleaned = "gone" | "ending" | "kept";

/** An App whose namespace is gone, or as good as gone. */
export interface LeftApp {
  readonly app: string;
  /** Set for an App that a label named: only what is that namespace's goes, the App stays. */
  readonly adoptedBy?: string;
}

/**
 * One step towards nothing being left: Machines first, then addresses, then the App with its secrets,
 * unless volumes of it are to stay: Fly destroys an App's volumes with it. Idempotent; an App that is
 * gone is a success.
 */
export async function cleanApp(
  deps: CleanDeps,
  { app, adoptedBy }: LeftApp,
  signal: AbortSignal,
): Promise<Cleaned> {
  try {
    return await clean(deps, { app, ...(adoptedBy === undefined ? {} : { adoptedBy }) }, signal);
  } catch (error) {
    if (FksError.is(error, "NotFound")) return "gone";
    const mayBeForeign = FksError.is(error, "Forbidden") && adoptedBy !== undefined;
    if (mayBeForeign && (await isForeign(deps, app, signal))) return "gone";
    throw error;
  }
}

/**
 * Whether a label names another organisation's App, in which nothing is ours. A refusal alone proves
 * nothing: a token may be too weak, or a bill unpaid; then our own list is refused, too.
 */
async function isForeign({ apps }: CleanDeps, app: string, signal: AbortSignal): Promise<boolean> {
  return (await apps.list(signal)).every(({ name }) => name !== app);
}

async function clean(
  deps: CleanDeps,
  { app, adoptedBy }: LeftApp,
  signal: AbortSignal,
): Promise<Cleaned> {
  const { apps, machines, addresses, clusterUid } = deps;
  const stamps =
    adoptedBy === undefined ? {} : { fks_cluster: clusterUid, fks_namespace: adoptedBy };
  const left = await machines.list(app, stamps, signal);
  for (const { id } of left) await machines.destroy(app, id, true, signal);
  if (left.length > 0) return "ending";

  for (const { ip, service_name } of await addresses.list(app, signal)) {
    if (adoptedBy === undefined || service_name !== "") await addresses.release(app, ip, signal);
  }
  if (adoptedBy !== undefined) return "gone";
  const rest = await volumesIn(deps, app, signal);
  if (rest === "gone") await apps.destroy(app, signal);
  return rest;
}

/** Volumes whose class deletes them are on their way: their claims are gone. */
async function volumesIn(
  { volumes, reclaimPolicies }: CleanDeps,
  app: string,
  signal: AbortSignal,
): Promise<Cleaned> {
  const found = await volumes.list(app, signal);
  if (found.length === 0) return "gone";
  const policies = await reclaimPolicies(signal);
  return found.some(({ id }) => policies.get(id) === "Delete") ? "ending" : "kept";
}
