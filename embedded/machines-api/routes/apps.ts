import { Hono } from "hono";
import { appView } from "../apps.ts";
import { invalid } from "../errors.ts";
import { appBody } from "../schema.ts";
import type { AppRecord } from "../store.ts";
import { type Api, bodyOf } from "./context.ts";

/** `/v1/apps`. */
export function appRoutes(api: Api): Hono {
  const { apps, keeper } = api;
  const view = (app: AppRecord): ReturnType<typeof appView> =>
    appView(app, keeper.inApp(app.name).filter(({ state }) => state !== "destroyed").length);

  return new Hono()
    .get("/", (c) => {
      const list = apps.list(c.req.query("org_slug")).map(view);
      return c.json({ total_apps: list.length, apps: list });
    })
    .post("/", async (c) => {
      const { name, app_name, org_slug = "personal", network } = await bodyOf(api, c, appBody);
      const wanted = name ?? app_name;
      if (wanted === undefined) throw invalid("name: is required");
      const app = apps.create({ name: wanted, orgSlug: org_slug, network: network ?? "default" });
      return c.json(view(app), 201);
    })
    .get("/:app", (c) => c.json(view(apps.get(c.req.param("app")))))
    .delete("/:app", (c) => {
      apps.destroy(c.req.param("app"));
      return c.body(null, 202);
    });
}
