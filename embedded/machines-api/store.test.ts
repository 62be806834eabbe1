import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { normal, told } from "./container-events.ts";
import { containerExited, containerStarted, containerStarting } from "./container-life.ts";
import { withEvent } from "./machine-events.ts";
import { configReplaced } from "./machine-life.ts";
import { migrate } from "./migrations.ts";
import { openStore, type Store } from "./store.ts";
import { at, machine, POD } from "./testing/records.ts";

/** A store on the disk, opened as often as wanted. */
function withFolder(body: (open: () => Store) => void): void {
  const dir = mkdtempSync(join(tmpdir(), "fks-store-"));
  try {
    body(() => openStore(join(dir, "machines.db")));
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

test("a Machine comes back as it was written, step by step", () => {
  withFolder((open) => {
    const store = open();
    let record = machine(POD);
    store.save(record, undefined);
    const steps = [
      (r: typeof record) => containerStarting(r, "app", 1),
      (r: typeof record) => containerStarted(r, "app", 2),
      (r: typeof record) => containerExited(r, "app", { exitCode: 1, oomKilled: false, atMs: 3 }),
      (r: typeof record) =>
        configReplaced(r, { config: { image: "other:1" }, launch: true }, at(4)),
    ];
    for (const step of steps) {
      const next = step(record);
      store.save(next, record);
      record = next;
      const other = open();
      expect(other.machines()).toEqual([record]);
      other.close();
    }
    expect(store.versions(record.id).map(({ user_config }) => user_config)).toContainEqual(POD);
    expect(store.versions(record.id)).toHaveLength(2);
    store.close();
  });
});

test("old events are forgotten on the disk as in memory", () => {
  withFolder((open) => {
    const store = open();
    let record = machine(POD);
    store.save(record, undefined);
    for (let n = 0; n < 120; n += 1) {
      const event = { type: "x", status: String(n), source: "user" } as const;
      const next = told(withEvent(record, event, at(n)), "app", normal("X", String(n)), n);
      store.save(next, record);
      record = next;
    }

    expect(store.machines()).toEqual([record]);
    expect(record.events).toHaveLength(50);
    store.close();
  });
});

test("two living Machines cannot share a name; a destroyed one gives it back", () => {
  withFolder((open) => {
    const store = open();
    const first = machine(POD);
    store.save(first, undefined);
    const second = { ...first, id: "ffffffffffffff", serial: 2 };
    expect(() => store.save(second, undefined)).toThrow("UNIQUE");

    store.save({ ...first, destroyedMs: 1 }, first);
    store.save(second, undefined);
    store.forget(first.id);
    expect(store.machines().map(({ id }) => id)).toEqual([second.id]);
    store.close();
  });
});

test("serial numbers only grow, also over restarts", () => {
  withFolder((open) => {
    const store = open();
    expect([store.nextSerial(), store.nextSerial()]).toEqual([1, 2]);
    store.close();
    const again = open();
    expect(again.nextSerial()).toBe(3);
    again.close();
  });
});

test("a store of a newer program is left alone, with a sentence", () => {
  const db = new Database(":memory:");
  migrate(db, ["CREATE TABLE a (x)", "CREATE TABLE b (x)"]);

  expect(() => migrate(db, ["CREATE TABLE a (x)"])).toThrow("use the newer fks-node");
  migrate(db, ["CREATE TABLE a (x)", "CREATE TABLE b (x)", "CREATE TABLE c (x)"]);
  expect(db.query("SELECT * FROM c").all()).toEqual([]);
});

test("containers written before there were checks count as before", () => {
  const dir = mkdtempSync(join(tmpdir(), "fks-store-"));
  try {
    const path = join(dir, "machines.db");
    const store = openStore(path);
    const running = containerStarted(containerStarting(machine(POD), "app", 1), "app", 2);
    store.save(running, undefined);
    store.close();
    const db = new Database(path);
    db.run("UPDATE containers SET record = json_remove(record, '$.isStarted', '$.isReady')");
    for (const later of ["ips", "volumes", "snapshots"]) db.run(`DROP TABLE ${later}`);
    db.run("PRAGMA user_version = 1");
    db.close();
    const newer = openStore(path);
    expect(newer.machines()).toEqual([running]);
    newer.close();
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
