import { FksError } from "#core/errors.ts";
import type { Addresses } from "#core/ports/addresses.ts";
import { type FlapsDeps, flapsRequest } from "./request.ts";
import { anySchema, ipAssignmentSchema, ipAssignmentsSchema } from "./schema.ts";

/** Addresses of Fly Apps by HTTP. */
export function flapsAddresses(deps: FlapsDeps): Addresses {
  const request = flapsRequest(deps);

  return {
    async list(app, signal) {
      const { ips } = await request(
        {
          method: "GET",
          path: ipsPath(app),
          app,
          budgeted: { action: "listIps", id: app },
          schema: ipAssignmentsSchema,
        },
        signal,
      );
      return ips;
    },

    assign: (app, asked, signal) =>
      request(
        {
          method: "POST",
          path: ipsPath(app),
          app,
          budgeted: { action: "assignIp", id: app },
          body: asked,
          schema: ipAssignmentSchema,
        },
        signal,
      ),

    async release(app, ip, signal) {
      const call = {
        method: "DELETE",
        path: `${ipsPath(app)}/${encodeURIComponent(ip)}`,
        app,
        budgeted: { action: "releaseIp", id: app },
        schema: anySchema,
      } as const;
      await request(call, signal).catch((error: unknown) => {
        if (!FksError.is(error, "NotFound")) throw error;
      });
    },
  };
}

function ipsPath(app: string): string {
  return `/apps/${encodeURIComponent(app)}/ip_assignments`;
}
