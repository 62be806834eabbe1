import type { Database } from "bun:sqlite";
import { FksError } from "#core/errors.ts";

/** Applied in order, each once; a number that was released is never changed. */
const MIGRATIONS: readonly string[] = [
  `CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
   CREATE TABLE apps (
     name TEXT PRIMARY KEY,
     record TEXT NOT NULL
   ) WITHOUT ROWID;
   CREATE TABLE machines (
     id TEXT PRIMARY KEY,
     app TEXT NOT NULL,
     name TEXT NOT NULL,
     serial INTEGER NOT NULL,
     state TEXT NOT NULL,
     revision INTEGER NOT NULL,
     life TEXT NOT NULL,
     config TEXT NOT NULL,
     destroyed_ms INTEGER
   ) WITHOUT ROWID;
   CREATE UNIQUE INDEX machines_name ON machines (app, name) WHERE destroyed_ms IS NULL;
   CREATE UNIQUE INDEX machines_serial ON machines (serial) WHERE destroyed_ms IS NULL;
   CREATE TABLE versions (
     machine TEXT NOT NULL,
     instance_id TEXT NOT NULL,
     config TEXT NOT NULL,
     PRIMARY KEY (machine, instance_id)
   ) WITHOUT ROWID;
   CREATE TABLE containers (
     machine TEXT NOT NULL,
     name TEXT NOT NULL,
     position INTEGER NOT NULL,
     phase TEXT NOT NULL,
     attempt INTEGER NOT NULL,
     restart_count INTEGER NOT NULL,
     not_before_ms INTEGER NOT NULL,
     record TEXT NOT NULL,
     PRIMARY KEY (machine, name)
   ) WITHOUT ROWID;
   CREATE TABLE machine_events (
     machine TEXT NOT NULL,
     id TEXT NOT NULL,
     event TEXT NOT NULL,
     PRIMARY KEY (machine, id)
   ) WITHOUT ROWID;
   CREATE TABLE container_events (
     machine TEXT NOT NULL,
     seq INTEGER NOT NULL,
     event TEXT NOT NULL,
     PRIMARY KEY (machine, seq)
   ) WITHOUT ROWID;`,
  `UPDATE containers SET record = json_set(
     record,
     '$.isStarted', json(iif(phase = 'running', 'true', 'false')),
     '$.isReady', json(iif(phase = 'running', 'true', 'false'))
   );`,
  `CREATE TABLE ips (
     ip TEXT PRIMARY KEY,
     record TEXT NOT NULL
   ) WITHOUT ROWID;`,
  `CREATE TABLE volumes (
     id TEXT PRIMARY KEY,
     app TEXT NOT NULL,
     record TEXT NOT NULL
   ) WITHOUT ROWID;
   CREATE TABLE snapshots (
     id TEXT PRIMARY KEY,
     volume TEXT NOT NULL,
     record TEXT NOT NULL
   ) WITHOUT ROWID;`,
];

/** Brings an opened database to the newest schema. A newer one than ours is a sentence, not a guess. */
export function migrate(db: Database, migrations: readonly string[] = MIGRATIONS): void {
  const row = db.query<{ user_version: number }, []>("PRAGMA user_version").get();
  const version = row?.user_version ?? 0;
  if (version > migrations.length) {
    throw new FksError(
      "Unsupported",
      `the Machines API's store has schema ${version}, this program knows ${migrations.length}: use the newer fks-node that wrote it`,
    );
  }
  migrations.forEach((sql, index) => {
    if (index < version) return;
    db.transaction(() => {
      db.run(sql);
      db.run(`PRAGMA user_version = ${index + 1}`);
    }).immediate();
  });
}
