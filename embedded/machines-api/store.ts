import { Database } from "bun:sqlite";
import type { MachineConfig, MachineEvent } from "#core/fly/machine.ts";
import type { ContainerEvent } from "#core/fly/machine-protocol.ts";
import type { IpAssignment } from "#core/ports/addresses.ts";
import { migrate } from "./migrations.ts";
import type { ContainerRecord, MachineRecord } from "./record.ts";
import { type VolumeStore, volumeStore } from "./volumes/volume-store.ts";

export interface AppRecord {
  readonly id: string;
  readonly name: string;
  readonly orgSlug: string;
  readonly network: string;
  readonly createdMs: number;
  /** True once it was deleted and its Machines are being destroyed. */
  readonly deleted: boolean;
}

/** An address and the App that has it. */
export interface IpRecord extends IpAssignment {
  readonly app: string;
}

/**
 * Everything the Machines API remembers, in SQLite. It is read once, at the start; after that
 * the records in memory are the truth and every change of them is written here first.
 *
 * WAL with `synchronous=NORMAL`: a commit survives our own death, and a power cut may lose the last
 * ones. That is harmless, because after a power cut nothing runs that they told of.
 */
export interface Store extends VolumeStore {
  apps(): readonly AppRecord[];
  saveApp(app: AppRecord): void;
  removeApp(name: string): void;
  ips(): readonly IpRecord[];
  saveIp(record: IpRecord): void;
  removeIp(ip: string): void;
  machines(): readonly MachineRecord[];
  /** Writes what differs between the two, in one transaction; no `previous` is a new Machine. */
  save(record: MachineRecord, previous: MachineRecord | undefined): void;
  /** Forgets a destroyed Machine. */
  forget(id: string): void;
  versions(
    id: string,
  ): readonly { readonly version: string; readonly user_config: MachineConfig }[];
  /** A counter that only grows, also over restarts. */
  nextSerial(): number;
  close(): void;
}

/** Opens or makes the store at `path`; `:memory:` is one that lives as long as the process. */
export function openStore(path: string): Store {
  const db = new Database(path, { create: true, strict: true });
  db.run("PRAGMA journal_mode = WAL");
  db.run("PRAGMA synchronous = NORMAL");
  db.run("PRAGMA busy_timeout = 5000");
  migrate(db);
  const write = writer(db);
  const app = {
    save: db.query("INSERT OR REPLACE INTO apps (name, record) VALUES (?, ?)"),
    remove: db.query("DELETE FROM apps WHERE name = ?"),
  };
  const ip = {
    save: db.query("INSERT INTO ips (ip, record) VALUES (?, ?)"),
    remove: db.query("DELETE FROM ips WHERE ip = ?"),
  };
  const serial = db.query<{ value: string }, []>(
    `INSERT INTO meta (key, value) VALUES ('serial', '1')
     ON CONFLICT (key) DO UPDATE SET value = CAST(value AS INTEGER) + 1 RETURNING value`,
  );
  const versions = db.query<{ instance_id: string; config: string }, [string]>(
    "SELECT instance_id, config FROM versions WHERE machine = ? ORDER BY instance_id DESC",
  );
  return {
    ...volumeStore(db),
    apps: () => readApps(db),
    saveApp: (record) => void app.save.run(record.name, JSON.stringify(record)),
    removeApp: (name) => void app.remove.run(name),
    ips: () => readIps(db),
    saveIp: (record) => void ip.save.run(record.ip, JSON.stringify(record)),
    removeIp: (address) => void ip.remove.run(address),
    machines: () => readMachines(db),
    save: write.save,
    forget: write.forget,
    versions: (id) =>
      versions.all(id).map((row) => {
        const user_config: MachineConfig = JSON.parse(row.config);
        return { version: row.instance_id, user_config };
      }),
    nextSerial: () => Number(serial.get()?.value),
    close: () => db.close(),
  };
}

function writer(db: Database): Pick<Store, "save" | "forget"> {
  const machine = db.query(
    `INSERT INTO machines (id, app, name, serial, state, revision, life, config, destroyed_ms)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const life = db.query(
    "UPDATE machines SET state = ?, revision = ?, life = ?, destroyed_ms = ? WHERE id = ?",
  );
  const config = db.query("UPDATE machines SET config = ? WHERE id = ?");
  const version = db.query("INSERT INTO versions (machine, instance_id, config) VALUES (?, ?, ?)");
  const container = db.query(
    `INSERT OR REPLACE INTO containers
     (machine, name, position, phase, attempt, restart_count, not_before_ms, record)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const noContainer = db.query("DELETE FROM containers WHERE machine = ? AND name = ?");
  const machineEvent = db.query("INSERT INTO machine_events (machine, id, event) VALUES (?, ?, ?)");
  const oldEvents = db.query("DELETE FROM machine_events WHERE machine = ? AND id < ?");
  const containerEvent = db.query(
    "INSERT INTO container_events (machine, seq, event) VALUES (?, ?, ?)",
  );
  const oldContainerEvents = db.query("DELETE FROM container_events WHERE machine = ? AND seq < ?");

  function saveEvents(next: MachineRecord, previous: MachineRecord | undefined): void {
    const known = previous?.events[0]?.id ?? "";
    for (const event of next.events) {
      if (event.id <= known) break;
      machineEvent.run(next.id, event.id, JSON.stringify(event));
    }
    const first = previous?.events.at(-1)?.id;
    const kept = next.events.at(-1)?.id;
    if (first !== undefined && kept !== undefined && kept > first) oldEvents.run(next.id, kept);
  }

  function saveContainerEvents(next: MachineRecord, previous: MachineRecord | undefined): void {
    const known = previous?.containerEvents.at(-1)?.seq ?? 0;
    for (const event of next.containerEvents) {
      if (event.seq > known) containerEvent.run(next.id, event.seq, JSON.stringify(event));
    }
    const kept = next.containerEvents[0]?.seq ?? 0;
    if (kept > (previous?.containerEvents[0]?.seq ?? kept)) oldContainerEvents.run(next.id, kept);
  }

  function saveContainers(next: MachineRecord, previous: MachineRecord | undefined): void {
    next.containers.forEach((record, position) => {
      if (record === previous?.containers[position]) return;
      const { name, phase, attempt, restartCount, notBeforeMs } = record;
      const text = JSON.stringify(record);
      container.run(next.id, name, position, phase, attempt, restartCount, notBeforeMs, text);
    });
    for (const { name } of previous?.containers ?? []) {
      if (!next.containers.some((other) => other.name === name)) noContainer.run(next.id, name);
    }
  }

  const save = db.transaction((next: MachineRecord, previous: MachineRecord | undefined) => {
    const { id, app, name, serial, state, revision, destroyedMs = null } = next;
    const text = lifeText(next);
    if (previous === undefined) {
      const own = JSON.stringify(next.config);
      machine.run(id, app, name, serial, state, revision, text, own, destroyedMs);
      version.run(id, next.instanceId, own);
    } else {
      life.run(state, revision, text, destroyedMs, id);
      if (next.config !== previous.config) config.run(JSON.stringify(next.config), id);
      if (next.instanceId !== previous.instanceId) {
        version.run(id, next.instanceId, JSON.stringify(next.config));
      }
    }
    if (next.containers !== previous?.containers) saveContainers(next, previous);
    if (next.events !== previous?.events) saveEvents(next, previous);
    if (next.containerEvents !== previous?.containerEvents) saveContainerEvents(next, previous);
  });

  const forgets = [
    "DELETE FROM machines WHERE id = ?",
    ...["versions", "containers", "machine_events", "container_events"].map(
      (table) => `DELETE FROM ${table} WHERE machine = ?`,
    ),
  ].map((sql) => db.query(sql));
  const forget = db.transaction((id: string) => {
    for (const query of forgets) query.run(id);
  });
  return {
    save: (next, previous) => save.immediate(next, previous),
    forget: (id) => forget.immediate(id),
  };
}

/** The part of a record that has neither a column nor a table of its own. */
function lifeText(record: MachineRecord): string {
  const {
    config: _config,
    containers: _containers,
    events: _events,
    containerEvents: _told,
    ...rest
  } = record;
  return JSON.stringify(rest);
}

type Life = Omit<MachineRecord, "config" | "containers" | "events" | "containerEvents">;

function readMachines(db: Database): readonly MachineRecord[] {
  const containers = grouped<ContainerRecord>(
    db,
    "SELECT machine, record AS value FROM containers ORDER BY machine, position",
  );
  const events = grouped<MachineEvent>(
    db,
    "SELECT machine, event AS value FROM machine_events ORDER BY machine, id DESC",
  );
  const told = grouped<ContainerEvent>(
    db,
    "SELECT machine, event AS value FROM container_events ORDER BY machine, seq",
  );
  const rows = db
    .query<{ id: string; life: string; config: string }, []>(
      "SELECT id, life, config FROM machines",
    )
    .all();
  // Our own rows, written by this file: their shape is the schema's version.
  return rows.map((row) => {
    const { id } = row;
    const life: Life = JSON.parse(row.life);
    const config: MachineConfig = JSON.parse(row.config);
    return {
      ...life,
      config,
      containers: containers.get(id) ?? [],
      events: events.get(id) ?? [],
      containerEvents: told.get(id) ?? [],
    };
  });
}

function grouped<T>(db: Database, sql: string): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>();
  for (const { machine, value } of db.query<{ machine: string; value: string }, []>(sql).all()) {
    const item: T = JSON.parse(value);
    const group = groups.get(machine);
    if (group === undefined) groups.set(machine, [item]);
    else group.push(item);
  }
  return groups;
}

function readApps(db: Database): readonly AppRecord[] {
  const rows = db.query<{ record: string }, []>("SELECT record FROM apps").all();
  return rows.map(({ record }) => {
    const app: AppRecord = JSON.parse(record);
    return app;
  });
}

function readIps(db: Database): readonly IpRecord[] {
  return db
    .query<{ record: string }, []>("SELECT record FROM ips")
    .all()
    .map(({ record }) => {
      const ip: IpRecord = JSON.parse(record);
      return ip;
    });
}
