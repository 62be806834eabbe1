import type { Database } from "bun:sqlite";
import type { SnapshotRecord, VolumeRecord } from "./volume-record.ts";

/**
 * Volumes outlive a power cut, so what is known of them does too: these writes are on the disk when
 * they return.
 */
export interface VolumeStore {
  volumes(): readonly VolumeRecord[];
  saveVolume(record: VolumeRecord): void;
  removeVolume(id: string): void;
  snapshots(): readonly SnapshotRecord[];
  saveSnapshot(record: SnapshotRecord): void;
  removeSnapshot(id: string): void;
}

export function volumeStore(db: Database): VolumeStore {
  const volume = db.query("INSERT OR REPLACE INTO volumes (id, app, record) VALUES (?, ?, ?)");
  const noVolume = db.query("DELETE FROM volumes WHERE id = ?");
  const snapshot = db.query(
    "INSERT OR REPLACE INTO snapshots (id, volume, record) VALUES (?, ?, ?)",
  );
  const noSnapshot = db.query("DELETE FROM snapshots WHERE id = ?");

  function durably(write: () => void): void {
    db.run("PRAGMA synchronous = FULL");
    try {
      write();
    } finally {
      db.run("PRAGMA synchronous = NORMAL");
    }
  }

  return {
    volumes: () =>
      recordsIn(db, "volumes").map((text) => {
        const record: VolumeRecord = JSON.parse(text);
        return record;
      }),
    saveVolume: (record) =>
      durably(() => void volume.run(record.id, record.app, JSON.stringify(record))),
    removeVolume: (id) => durably(() => void noVolume.run(id)),
    snapshots: () =>
      recordsIn(db, "snapshots").map((text) => {
        const record: SnapshotRecord = JSON.parse(text);
        return record;
      }),
    saveSnapshot: (record) =>
      durably(() => void snapshot.run(record.id, record.volume, JSON.stringify(record))),
    removeSnapshot: (id) => durably(() => void noSnapshot.run(id)),
  };
}

function recordsIn(db: Database, table: "volumes" | "snapshots"): readonly string[] {
  return db
    .query<{ record: string }, []>(`SELECT record FROM ${table}`)
    .all()
    .map(({ record }) => record);
}
