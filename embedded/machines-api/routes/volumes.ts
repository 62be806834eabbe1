import { type Context, Hono } from "hono";
import { invalid } from "../errors.ts";
import { extendBody, volumeBody, volumeSettingsBody } from "../volumes/schema.ts";
import { snapshotView, type VolumeRecord } from "../volumes/volume-record.ts";
import { type Api, bodyOf } from "./context.ts";

const DEFAULT_SIZE_GB = 3;
const DEFAULT_RETENTION_DAYS = 5;

/** `/v1/apps/:app/volumes`. */
export function volumeRoutes(api: Api): Hono {
  const { volumes } = api;
  const appOf = (c: Context): string => api.apps.get(c.req.param("app") ?? "").name;
  const volumeOf = (c: Context): VolumeRecord => volumes.get(appOf(c), c.req.param("id") ?? "");
  const viewOf = (record: VolumeRecord): object => volumes.views([record])[0] ?? {};

  return new Hono()
    .get("/", (c) => c.json(volumes.views(volumes.inApp(appOf(c)))))
    .post("/", async (c) => c.json(viewOf(await create(api, c))))
    .get("/:id", (c) => c.json(viewOf(volumeOf(c))))
    .put("/:id", async (c) => {
      const { snapshot_retention, auto_backup_enabled } = await bodyOf(api, c, volumeSettingsBody);
      const changed = volumes.update(volumeOf(c), {
        ...(snapshot_retention === undefined ? {} : { snapshotRetention: snapshot_retention }),
        ...(auto_backup_enabled === undefined ? {} : { autoBackup: auto_backup_enabled }),
      });
      return c.json(viewOf(changed));
    })
    .delete("/:id", async (c) => {
      const volume = volumeOf(c);
      await volumes.destroy(volume);
      return c.json({ ...viewOf(volume), state: "pending_destroy" });
    })
    .put("/:id/extend", async (c) => {
      const { size_gb } = await bodyOf(api, c, extendBody);
      const volume = volumeOf(c);
      const needs_restart = await volumes.extend(volume, size_gb);
      return c.json({ volume: viewOf(volumes.get(volume.app, volume.id)), needs_restart });
    })
    .get("/:id/snapshots", (c) => c.json(volumes.snapshots.of(volumeOf(c)).map(snapshotView)))
    .post("/:id/snapshots", async (c) =>
      c.json(snapshotView(await volumes.snapshots.take(volumeOf(c)))),
    );
}

/** `/v1/orgs/:org/volumes`: the same of every App of the organisation, in one page. */
export function orgVolumeRoute(api: Api): Hono {
  return new Hono().get("/", (c) => {
    const { region, state } = c.req.query();
    const apps = new Set(api.apps.list(c.req.param("org") ?? "").map(({ name }) => name));
    const found = api.volumes
      .all()
      .filter((one) => apps.has(one.app))
      .filter((one) => region === undefined || one.region === region)
      .filter((one) => state === undefined || one.state === state);
    const views = api.volumes.views(found).map((view, index) => ({
      ...view,
      app_name: found[index]?.app,
      updated_at: view["created_at"],
    }));
    return c.json({ volumes: views, next_cursor: "" });
  });
}

async function create(api: Api, c: Context): Promise<VolumeRecord> {
  const app = c.req.param("app") ?? "";
  api.apps.get(app);
  const body = await bodyOf(api, c, volumeBody);
  const { snapshot_id, source_volume_id, name } = body;
  if (snapshot_id !== undefined && source_volume_id !== undefined) {
    throw invalid("snapshot_id and source_volume_id exclude each other");
  }
  const kind = snapshot_id === undefined ? "volume" : "snapshot";
  const id = snapshot_id ?? source_volume_id;
  // The App may have been deleted while the body was on its way.
  api.apps.get(app);
  return api.volumes.create({
    app,
    name,
    region: regionFor(api.regions, body.region),
    sizeGb: body.size_gb ?? DEFAULT_SIZE_GB,
    snapshotRetention: body.snapshot_retention ?? DEFAULT_RETENTION_DAYS,
    autoBackup: body.auto_backup_enabled ?? true,
    from: id === undefined ? undefined : { kind, id },
  });
}

/** Unlike a Machine's, a volume's region is one of ours by name. */
function regionFor(regions: readonly string[], asked = ""): string {
  const [first = "local"] = regions;
  if (asked === "" || regions.includes(asked)) return asked || first;
  throw invalid(`region ${asked} not found`);
}
