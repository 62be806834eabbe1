import { z } from "zod";
import { FksError } from "#core/errors.ts";
import { isGoing, type Volume } from "#core/fly/volume.ts";
import type { ExtendedVolume, Volumes } from "#core/ports/volumes.ts";
import { type FlapsDeps, flapsRequest } from "./request.ts";
import { anySchema } from "./schema.ts";

const volumeSchema: z.ZodType<Volume> = z.object({
  id: z.string().min(1),
  name: z.string().default(""),
  state: z.string(),
  size_gb: z.number(),
  region: z.string(),
  encrypted: z.boolean().default(false),
  fstype: z.string().default("ext4"),
  created_at: z.string(),
  attached_machine_id: z.string().min(1).exactOptional(),
  bytes_total: z.number().exactOptional(),
});

const volumesSchema = z.array(volumeSchema);

const extendedSchema: z.ZodType<ExtendedVolume> = z
  .object({ volume: volumeSchema, needs_restart: z.boolean().default(false) })
  .transform(({ volume, needs_restart: needsRestart }) => ({ volume, needsRestart }));

/** Volumes by HTTP; it cannot tell Fly from our own Machines API. */
export function flapsVolumes(deps: FlapsDeps): Volumes {
  const request = flapsRequest(deps);

  return {
    async list(app, signal) {
      const listed = await request(
        {
          method: "GET",
          path: volumesPath(app),
          app,
          budgeted: { action: "listVolumes", id: app },
          schema: volumesSchema,
        },
        signal,
      );
      return listed.filter((volume) => !isGoing(volume));
    },

    async get(app, id, signal) {
      const volume = await request(
        {
          method: "GET",
          path: volumePath(app, id),
          app,
          budgeted: { action: "getVolume", id },
          schema: volumeSchema,
        },
        signal,
      );
      // Soft deletion: it can be read for a day more.
      if (isGoing(volume)) throw new FksError("NotFound", `volume ${id} is ${volume.state}`);
      return volume;
    },

    create: (app, volume, signal) =>
      request(
        {
          method: "POST",
          path: volumesPath(app),
          app,
          budgeted: { action: "createVolume", id: app },
          body: volume,
          schema: volumeSchema,
        },
        signal,
      ),

    extend: (app, id, sizeGb, signal) =>
      request(
        {
          method: "PUT",
          path: `${volumePath(app, id)}/extend`,
          app,
          budgeted: { action: "extendVolume", id },
          body: { size_gb: sizeGb },
          schema: extendedSchema,
        },
        signal,
      ),

    async destroy(app, id, signal) {
      const call = {
        method: "DELETE",
        path: volumePath(app, id),
        app,
        budgeted: { action: "destroyVolume", id },
        schema: anySchema,
      } as const;
      await request(call, signal).catch((error: unknown) => {
        if (!FksError.is(error, "NotFound")) throw error;
      });
    },
  };
}

function volumesPath(app: string): string {
  return `/apps/${encodeURIComponent(app)}/volumes`;
}

function volumePath(app: string, id: string): string {
  return `${volumesPath(app)}/${encodeURIComponent(id)}`;
}
