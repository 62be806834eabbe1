import { FksError } from "#core/errors.ts";
import type { App, Apps } from "#core/ports/apps.ts";
import { type FlapsDeps, flapsRequest } from "./request.ts";
import { anySchema, appSchema, appsSchema } from "./schema.ts";

interface FlapsAppsDeps extends FlapsDeps {
  /** The organisation that owns our Apps; `personal` is a name too. */
  readonly orgSlug: string;
  /** The 6PN network new Apps join; absent: the organisation's default one. */
  readonly network?: string;
}

/** Fly Apps by HTTP. */
export function flapsApps(deps: FlapsAppsDeps): Apps {
  const request = flapsRequest(deps);
  const { orgSlug, network } = deps;

  function get(name: string, signal: AbortSignal): Promise<App> {
    return request(
      {
        method: "GET",
        path: appPath(name),
        app: name,
        budgeted: { action: "getApp", id: name },
        schema: appSchema,
      },
      signal,
    );
  }

  return {
    get,

    async create(name, signal) {
      try {
        await request(
          {
            method: "POST",
            path: "/apps",
            budgeted: { action: "createApp", id: name },
            body: { name, org_slug: orgSlug, ...(network !== undefined && { network }) },
            schema: anySchema,
          },
          signal,
        );
      } catch (error) {
        // Taken, perhaps by ourselves: the read tells, and refuses what is another's.
        if (!FksError.is(error, "Conflict")) throw error;
      }
      return get(name, signal);
    },

    async list(signal) {
      const { apps } = await request(
        {
          method: "GET",
          path: "/apps",
          query: [["org_slug", orgSlug]],
          budgeted: { action: "listApps", id: orgSlug },
          schema: appsSchema,
        },
        signal,
      );
      return apps;
    },

    async destroy(name, signal) {
      const call = {
        method: "DELETE",
        path: appPath(name),
        app: name,
        budgeted: { action: "destroyApp", id: name },
        schema: anySchema,
      } as const;
      await request(call, signal).catch((error: unknown) => {
        if (!FksError.is(error, "NotFound")) throw error;
      });
    },
  };
}

function appPath(name: string): string {
  return `/apps/${encodeURIComponent(name)}`;
}
