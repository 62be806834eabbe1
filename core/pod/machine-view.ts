import type { Machine, MachineId } from "../fly/machine.ts";
import type { MachineChange, MachineReport } from "../fly/machine-protocol.ts";
import { keyOfStamps, stampsOf } from "./identity.ts";

/** A Machine as it was last seen. */
export interface Sighting {
  readonly app: string;
  readonly machine: Machine;
  /** Absent until the protocol told of it. */
  readonly report?: MachineReport;
}

/** The Machines of this cluster, by the Pod they belong to; fed by the change stream. */
export interface MachineView {
  /** The Machines of this Pod, oldest first; names see to it that there is one. */
  of(podUid: string): readonly Sighting[];
  all(): readonly Sighting[];
  /** True from the first complete list on. */
  isSynced(): boolean;
  /** True while the stream tells of every change: then what is not here does not exist. */
  isLive(): boolean;
  /** What a call answered about a Machine the stream has not told of yet. */
  put(sighting: Sighting): void;
  /** A call proved that the Machine is gone. */
  drop(id: MachineId): void;
  /** A stream starts anew: what it does not tell before `synced` is gone. */
  begin(): void;
  apply(change: MachineChange): void;
  /** The stream is lost: everything stays as it was last seen. */
  end(): void;
}

/** Ids remembered as gone, so that a late answer does not bring one back. */
const GONE_MAX = 10_000;

/** A view of the Machines stamped with `clusterUid`; `onChange` gets the key of the Pod meant. */
export function machineView(
  clusterUid: string,
  onChange: (key: string, sighting: Sighting | undefined) => void,
): MachineView {
  const known = new Map<MachineId, Sighting & { key: string; uid: string; pass: number }>();
  const ofPod = new Map<string, ReadonlySet<MachineId>>();
  const gone = new Set<MachineId>();
  let pass = 0;
  let isSynced = false;
  let isLive = false;

  function keep(sighting: Sighting): void {
    const stamps = stampsOf(sighting.machine);
    const { id } = sighting.machine;
    if (stamps?.fks_cluster !== clusterUid || gone.has(id)) return;
    const uid = stamps.fks_pod_uid;
    const key = keyOfStamps(stamps);
    known.set(id, { ...sighting, key, uid, pass });
    ofPod.set(uid, new Set([...(ofPod.get(uid) ?? []), id]));
    onChange(key, sighting);
  }

  function drop(id: MachineId): void {
    const found = known.get(id);
    remember(id);
    if (found === undefined) return;
    known.delete(id);
    const rest = new Set([...(ofPod.get(found.uid) ?? [])].filter((other) => other !== id));
    if (rest.size === 0) ofPod.delete(found.uid);
    else ofPod.set(found.uid, rest);
    onChange(found.key, undefined);
  }

  function remember(id: MachineId): void {
    gone.add(id);
    const [oldest] = gone;
    if (gone.size > GONE_MAX && oldest !== undefined) gone.delete(oldest);
  }

  function synced(): void {
    // One that a call answered after this pass began carries its number and stays.
    for (const [id, found] of known) if (found.pass < pass) drop(id);
    isSynced = true;
    isLive = true;
  }

  return {
    of: (podUid) =>
      [...(ofPod.get(podUid) ?? [])]
        .flatMap((id) => known.get(id) ?? [])
        .toSorted((a, b) => (ageOf(a) < ageOf(b) ? -1 : 1)),
    all: () => [...known.values()],
    isSynced: () => isSynced,
    isLive: () => isLive,
    put(sighting) {
      if (!known.has(sighting.machine.id)) keep(sighting);
    },
    drop,
    begin() {
      pass += 1;
      isLive = false;
    },
    apply(change) {
      if (change.type === "synced") synced();
      if (change.type === "gone") drop(change.id);
      if (change.type !== "machine") return;
      const { app, machine, report } = change;
      if (machine.state === "destroyed") drop(machine.id);
      else keep({ app, machine, report });
    },
    end() {
      isLive = false;
    },
  };
}

function ageOf({ machine }: Sighting): string {
  return `${machine.created_at} ${machine.id}`;
}
