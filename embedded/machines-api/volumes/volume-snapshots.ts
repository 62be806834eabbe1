import type { VolumeDeps } from "./volume-deps.ts";
import { isExpired, type SnapshotRecord, type VolumeRecord } from "./volume-record.ts";

/** Copies of volumes as they were in one moment; they outlive their volume until they expire. */
export interface VolumeSnapshots {
  of(volume: VolumeRecord): readonly SnapshotRecord[];
  /** One of the App that is whole. */
  find(app: string, id: string): SnapshotRecord | undefined;
  take(volume: VolumeRecord): Promise<SnapshotRecord>;
  /** Removes what a former process had begun, and what has expired. */
  recover(): Promise<void>;
}

export function volumeSnapshots(deps: VolumeDeps, stopped: AbortSignal): VolumeSnapshots {
  const { store, files, clock, newId } = deps;
  const known = new Map(store.snapshots().map((one) => [one.id, one]));

  function save(record: SnapshotRecord): SnapshotRecord {
    store.saveSnapshot(record);
    known.set(record.id, record);
    return record;
  }

  async function forget(id: string): Promise<void> {
    await files.removeSnapshot(id);
    store.removeSnapshot(id);
    known.delete(id);
  }

  return {
    of({ id }) {
      const nowMs = clock.now();
      return [...known.values()].filter((one) => one.volume === id && !isExpired(one, nowMs));
    },

    find(app, id) {
      const found = known.get(id);
      return found?.app === app && found.bytes !== undefined ? found : undefined;
    },

    async take(volume) {
      const { app, backing, sizeGb, snapshotRetention } = volume;
      const record = save({
        id: newId("vs"),
        app,
        volume: volume.id,
        backing,
        volumeGb: sizeGb,
        createdMs: clock.now(),
        retentionDays: snapshotRetention,
      });
      try {
        return save({ ...record, bytes: await files.takeSnapshot(volume, record.id, stopped) });
      } catch (error) {
        if (!stopped.aborted) await forget(record.id);
        throw error;
      }
    },

    async recover() {
      const nowMs = clock.now();
      for (const one of known.values()) {
        if (one.bytes === undefined || isExpired(one, nowMs)) await forget(one.id);
      }
    },
  };
}
