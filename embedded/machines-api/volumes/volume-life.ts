import type { VolumeDeps } from "./volume-deps.ts";
import type { VolumeRecord } from "./volume-record.ts";

/** The records of volumes; what is asked of one is written before its files are touched. */
export interface VolumeLife {
  all(): readonly VolumeRecord[];
  find(id: string): VolumeRecord | undefined;
  save(record: VolumeRecord): VolumeRecord;
  /** Made or gone: nobody ever meets half a volume. */
  made(record: VolumeRecord): Promise<VolumeRecord>;
  removed(record: VolumeRecord): Promise<void>;
}

export function volumeLife(
  { store, files }: Pick<VolumeDeps, "store" | "files">,
  stopped: AbortSignal,
): VolumeLife {
  const volumes = new Map(store.volumes().map((one) => [one.id, one]));

  function save(record: VolumeRecord): VolumeRecord {
    store.saveVolume(record);
    volumes.set(record.id, record);
    return record;
  }

  function forget(id: string): void {
    store.removeVolume(id);
    volumes.delete(id);
  }

  return {
    all: () => [...volumes.values()],
    find: (id) => volumes.get(id),
    save,

    async made(record) {
      try {
        await files.make(record, record.from, stopped);
      } catch (error) {
        // A later process makes what this one only stopped making.
        if (stopped.aborted) throw error;
        await files.remove(record, stopped);
        forget(record.id);
        throw error;
      }
      const { from: _from, ...rest } = record;
      return save({ ...rest, state: "created" });
    },

    async removed(record) {
      save({ ...record, state: "pending_destroy" });
      await files.remove(record, stopped);
      forget(record.id);
    },
  };
}
