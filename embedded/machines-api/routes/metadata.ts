import { type Context, Hono } from "hono";
import { ApiError, precondition } from "../errors.ts";
import type { MachineRecord } from "../record.ts";
import { metadataBody, metadataKeyBody } from "../schema.ts";
import { type Api, bodyOf, livingMachineAt, machineAt } from "./context.ts";

/** `…/metadata`: labels of a Machine. Writing them makes no new version. */
export function metadataRoutes(api: Api): Hono {
  const write = async (c: Context): Promise<Response> => {
    const { metadata, machine_version } = await bodyOf(api, c, metadataBody);
    const record = livingMachineAt(api, c);
    if (machine_version !== undefined && machine_version !== record.instanceId) {
      throw precondition(`machine_version ${machine_version} is not the current one`);
    }
    api.keeper.change(record.id, (current) => withMetadata(current, metadata));
    return c.body(null, 204);
  };

  return new Hono()
    .get("/", (c) => c.json(machineAt(api, c).config.metadata ?? {}))
    .put("/", write)
    .patch("/", write)
    .get("/:key", (c) => {
      const value = machineAt(api, c).config.metadata?.[c.req.param("key")];
      if (value === undefined) throw new ApiError(404, "metadata key not found");
      return c.json({ value });
    })
    .post("/:key", async (c) => {
      const { value } = await bodyOf(api, c, metadataKeyBody);
      const { id } = livingMachineAt(api, c);
      api.keeper.change(id, (record) => withMetadata(record, { [c.req.param("key")]: value }));
      return c.body(null, 204);
    })
    .delete("/:key", (c) => {
      const { id } = livingMachineAt(api, c);
      api.keeper.change(id, (record) => withMetadata(record, { [c.req.param("key")]: null }));
      return c.body(null, 204);
    });
}

/** `null` and the empty string take a key away. Pure. */
function withMetadata(
  record: MachineRecord,
  changes: Readonly<Record<string, string | null>>,
): MachineRecord {
  const metadata = Object.fromEntries(
    Object.entries({ ...record.config.metadata, ...changes }).flatMap(([key, value]) =>
      value === null || value === "" ? [] : [[key, value] as const],
    ),
  );
  return { ...record, config: { ...record.config, metadata } };
}
