import type { Machine } from "../fly/machine.ts";
import { stampsOf } from "./identity.ts";

/** A Machine of this cluster whose Pod is on no list. */
export interface Suspect {
  readonly app: string;
  readonly machine: Machine;
  /** When it was first missed. */
  readonly sinceMs: number;
}

export interface Pass {
  readonly clusterUid: string;
  readonly machines: readonly { readonly app: string; readonly machine: Machine }[];
  /** UIDs of every Pod on our Nodes, listed after the Machines. */
  readonly podUids: ReadonlySet<string>;
  readonly before: readonly Suspect[];
  readonly nowMs: number;
}

/** How long a Machine has to be without a Pod before it counts as an orphan. */
export const ORPHAN_AFTER_MS = 60_000;

/** The Machines that nobody wants, as far as two lists can tell. Pure. */
export function suspectsFor(pass: Pass): readonly Suspect[] {
  const { clusterUid, machines, podUids, before, nowMs } = pass;
  const known = new Map(before.map((suspect) => [suspect.machine.id, suspect]));
  return machines.flatMap(({ app, machine }) => {
    const stamps = stampsOf(machine);
    if (stamps?.fks_cluster !== clusterUid || podUids.has(stamps.fks_pod_uid)) return [];
    return [{ app, machine, sinceMs: known.get(machine.id)?.sinceMs ?? nowMs }];
  });
}

/** Of the suspects, those that two passes a minute apart both missed. */
export function orphansOf(suspects: readonly Suspect[], nowMs: number): readonly Suspect[] {
  return suspects.filter(({ sinceMs }) => nowMs - sinceMs >= ORPHAN_AFTER_MS);
}
