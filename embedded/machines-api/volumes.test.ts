import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { fakeClock } from "#test/fakes/clock.ts";
import { memoryLog } from "#test/fakes/log.ts";
import { type OpenApi, openApi, until } from "./testing/open-api.ts";
import { noVolumeFiles } from "./volumes/no-volume-files.ts";
import type { VolumeFiles } from "./volumes/volume-files.ts";

const VOLUMES = "/v1/apps/demo/volumes";
const MACHINES = "/v1/apps/demo/machines";
const CONFIG = { image: "web:1" };

const open: OpenApi[] = [];

afterEach(async () => {
  for (const api of open.splice(0)) await api.close();
});

async function opened(
  options: { readonly dir?: string; readonly volumeFiles?: VolumeFiles } = {},
): Promise<OpenApi> {
  const api = await openApi({ clock: fakeClock(), log: memoryLog(), ...options });
  open.push(api);
  await api.call("POST", "/v1/apps", { name: "demo", org_slug: "personal" });
  return api;
}

async function volumeIn(api: OpenApi, body: object = {}): Promise<string> {
  const answer = await api.call("POST", VOLUMES, { name: "data", region: "local-a", ...body });
  return String(answer.field("id"));
}

const mounting = (volume: string, more: object = {}) => ({
  config: { ...CONFIG, mounts: [{ volume, path: "/data" }] },
  ...more,
});

describe("a volume", () => {
  test("is there once it was asked for, in Fly's words, and tells that nothing encrypts it", async () => {
    const api = await opened();
    const made = await api.call("POST", VOLUMES, { name: "data", size_gb: 2, encrypted: true });
    expect(made.status).toBe(200);
    expect(made.json).toMatchObject({
      name: "data",
      state: "created",
      size_gb: 2,
      region: "local-a",
      encrypted: false,
      fstype: "ext4",
      attached_machine_id: null,
      snapshot_retention: 5,
      auto_backup_enabled: true,
      bytes_total: 2 * 1024 ** 3,
    });
    expect(made.field("id")).toMatch(/^vol_[0-9a-z]{16}$/);
    expect(made.field("zone")).toMatch(/^[0-9a-f]{4}$/);
    expect((await api.call("GET", VOLUMES)).json).toEqual([made.json]);
    expect((await api.call("GET", `${VOLUMES}/${String(made.field("id"))}`)).json).toEqual(
      made.json,
    );
    expect((await api.call("GET", "/v1/orgs/personal/volumes")).field("volumes", 0)).toMatchObject({
      app_name: "demo",
    });
  });

  test.each([
    ["no name", {}],
    ["a name with a dash", { name: "my-data" }],
    ["a region that is not ours", { name: "data", region: "ams" }],
    ["an alias for a region", { name: "data", region: "any" }],
    ["no size", { name: "data", size_gb: 0 }],
    ["more than a volume can have", { name: "data", size_gb: 501 }],
    ["a raw one", { name: "data", fstype: "raw" }],
    ["the copy of none", { name: "data", source_volume_id: "vol_0" }],
    ["the copy of no snapshot", { name: "data", snapshot_id: "vs_0" }],
  ])("with %s is refused", async (_what, body) => {
    const api = await opened();
    expect((await api.call("POST", VOLUMES, body)).status).toBe(400);
    expect((await api.call("GET", VOLUMES)).json).toEqual([]);
  });

  test("only grows", async () => {
    const api = await opened();
    const id = await volumeIn(api, { size_gb: 2 });
    const grown = await api.call("PUT", `${VOLUMES}/${id}/extend`, { size_gb: 3 });
    expect(grown.json).toMatchObject({ needs_restart: false, volume: { id, size_gb: 3 } });
    expect((await api.call("PUT", `${VOLUMES}/${id}/extend`, { size_gb: 3 })).status).toBe(400);
  });

  test("keeps its settings, and has snapshots that a new one is made from", async () => {
    const api = await opened();
    const id = await volumeIn(api);
    const body = { snapshot_retention: 7, auto_backup_enabled: false };
    expect((await api.call("PUT", `${VOLUMES}/${id}`, body)).json).toMatchObject(body);
    const snapshot = await api.call("POST", `${VOLUMES}/${id}/snapshots`);
    expect(snapshot.json).toMatchObject({ status: "created", retention_days: 7 });
    expect((await api.call("GET", `${VOLUMES}/${id}/snapshots`)).json).toEqual([snapshot.json]);
    const copied = await api.call("POST", VOLUMES, {
      name: "copy",
      snapshot_id: snapshot.field("id"),
    });
    expect(copied.json).toMatchObject({ name: "copy", state: "created" });
  });

  test("goes with its App", async () => {
    const api = await opened();
    await volumeIn(api);
    await api.call("DELETE", "/v1/apps/demo");
    const again = () => api.call("POST", "/v1/apps", { name: "demo", org_slug: "personal" });
    await until(async () => ((await again()).status === 201 ? true : undefined));
    expect((await api.call("GET", VOLUMES)).json).toEqual([]);
  });
});

describe("a Machine with a volume", () => {
  test("has it alone until it is destroyed, in the region where the volume is", async () => {
    const api = await opened();
    const volume = await volumeIn(api, { region: "local-b" });
    const first = await api.call("POST", MACHINES, mounting(volume));
    expect(first.json).toMatchObject({ region: "local-b" });
    const attached = await api.call("GET", `${VOLUMES}/${volume}`);
    expect(attached.field("attached_machine_id")).toBe(first.field("id"));

    const second = await api.call("POST", MACHINES, mounting(volume));
    expect([second.status, second.field("error")]).toEqual([
      412,
      `failed_precondition: volume ${volume} is already attached to machine ${String(first.field("id"))}`,
    ]);
    expect((await api.call("DELETE", `${VOLUMES}/${volume}`)).status).toBe(412);

    await api.call("DELETE", `${MACHINES}/${String(first.field("id"))}?force=true`);
    await until(async () => {
      const { json } = await api.call("GET", `${VOLUMES}/${volume}`);
      return JSON.stringify(json).includes('"attached_machine_id":null') ? true : undefined;
    });
    expect((await api.call("POST", MACHINES, mounting(volume))).status).toBe(200);
  });

  test("is refused where the volume is not, or is no volume of its App", async () => {
    const api = await opened();
    const volume = await volumeIn(api, { region: "local-b" });
    const elsewhere = await api.call("POST", MACHINES, mounting(volume, { region: "local-a" }));
    expect(elsewhere.status).toBe(400);
    expect((await api.call("POST", MACHINES, mounting("vol_0"))).status).toBe(400);
    const twice = { volume, path: "/a" };
    const config = { ...CONFIG, mounts: [twice, { ...twice, path: "/b" }] };
    expect((await api.call("POST", MACHINES, { config })).status).toBe(400);
    expect((await api.call("GET", MACHINES)).json).toEqual([]);
  });

  test("by name gets one that no other has", async () => {
    const api = await opened();
    const ids = [await volumeIn(api), await volumeIn(api)];
    const body = { config: { ...CONFIG, mounts: [{ name: "data", path: "/data" }] } };
    const got = new Set<unknown>();
    for (const _ of ids) {
      got.add((await api.call("POST", MACHINES, body)).field("config", "mounts", 0, "volume"));
    }
    expect(got).toEqual(new Set<unknown>(ids));
    expect((await api.call("POST", MACHINES, body)).status).toBe(412);
  });

  test("keeps its volumes for life", async () => {
    const api = await opened();
    const volume = await volumeIn(api);
    const id = String((await api.call("POST", MACHINES, mounting(volume))).field("id"));
    expect((await api.call("POST", `${MACHINES}/${id}`, { config: CONFIG })).status).toBe(400);
    expect((await api.call("POST", `${MACHINES}/${id}`, mounting(volume))).status).toBe(200);
  });
});

/** Files whose `method` never comes back in the first process. */
async function diedIn(method: "make" | "remove"): Promise<unknown> {
  const dir = mkdtempSync(`${tmpdir()}/fks-volumes-`);
  try {
    const asked = Promise.withResolvers<void>();
    const stuck = {
      ...noVolumeFiles(),
      [method]: (_volume: unknown, second: unknown, third: unknown) => {
        asked.resolve();
        const { promise, reject } = Promise.withResolvers<never>();
        const signal = third instanceof AbortSignal ? third : second;
        if (signal instanceof AbortSignal) {
          signal.addEventListener("abort", () => reject(signal.reason), { once: true });
        }
        return promise;
      },
    };
    const first = await opened({ dir, volumeFiles: stuck });
    const made = method === "remove" ? await volumeIn(first) : undefined;
    const call =
      made === undefined
        ? first.call("POST", VOLUMES, { name: "data" })
        : first.call("DELETE", `${VOLUMES}/${made}`);
    await asked.promise;
    await first.stop();
    await call.catch(() => {});
    const second = await opened({ dir });
    return (await second.call("GET", VOLUMES)).json;
  } finally {
    for (const api of open.splice(0)) await api.close();
    rmSync(dir, { recursive: true, force: true });
  }
}

describe("after a death in the middle", () => {
  test("a volume that was being made is made", async () => {
    expect(await diedIn("make")).toMatchObject([{ name: "data", state: "created" }]);
  });

  test("one that was being removed is gone", async () => {
    expect(await diedIn("remove")).toEqual([]);
  });
});

test("a volume that cannot be made is never seen", async () => {
  const volumeFiles = {
    ...noVolumeFiles(),
    make: () => Promise.reject(new Error("No space left on device")),
  };
  const api = await opened({ volumeFiles });
  expect((await api.call("POST", VOLUMES, { name: "data" })).status).toBe(500);
  expect((await api.call("GET", VOLUMES)).json).toEqual([]);
});
