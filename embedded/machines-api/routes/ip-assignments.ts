import { Hono } from "hono";
import { ApiError } from "../errors.ts";
import { assignIpBody } from "../schema.ts";
import { type Api, bodyOf } from "./context.ts";

/** `/v1/apps/{app}/ip_assignments`. */
export function ipRoutes(api: Api): Hono {
  const { apps, ips } = api;
  const appAt = (c: { req: { param(name: string): string | undefined } }) =>
    apps.get(c.req.param("app") ?? "");

  return new Hono()
    .get("/", (c) => c.json({ ips: ips.list(appAt(c).name) }))
    .post("/", async (c) => {
      const app = appAt(c);
      const { network = "", org_slug = "", ...asked } = await bodyOf(api, c, assignIpBody);
      const isElsewhere =
        (network !== "" && network !== app.network) ||
        (org_slug !== "" && org_slug !== app.orgSlug);
      if (isElsewhere) {
        throw new ApiError(501, "unsupported: there is one network and one organisation here");
      }
      return c.json(ips.assign(app.name, asked));
    })
    .delete("/:ip", (c) => {
      if (!ips.release(appAt(c).name, c.req.param("ip"))) {
        throw new ApiError(404, "Could not find IP address");
      }
      return c.body(null, 204);
    });
}
