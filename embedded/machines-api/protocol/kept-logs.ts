import { Hono } from "hono";
import type { KeptLogs } from "#core/ports/kept-logs.ts";
import { logOptionsOf } from "./log-options.ts";

/** `/fks/v1/logs`: what Machines that are gone left behind. */
export function keptLogRoutes(logs: KeptLogs, signal: AbortSignal): Hono {
  return new Hono()
    .get("/", async (c) => c.json({ machines: await logs.list(signal) }))
    .get("/:id/:container", async (c) => {
      const { id, container } = c.req.param();
      const until = AbortSignal.any([c.req.raw.signal, signal]);
      const body = await logs.read(id, container, logOptionsOf(c), until);
      return new Response(body, { headers: { "content-type": "text/plain; charset=utf-8" } });
    })
    .delete("/:id", async (c) => {
      await logs.forget(c.req.param("id"), signal);
      return c.body(null, 204);
    });
}
