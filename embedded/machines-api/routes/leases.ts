import { Hono } from "hono";
import { ApiError, invalid } from "../errors.ts";
import { leaseOf, NONCE_HEADER, refuseForeignLease } from "../leases.ts";
import type { LeaseRecord, MachineRecord } from "../record.ts";
import { leaseBody } from "../schema.ts";
import { type Api, livingMachineAt, optionalBodyOf } from "./context.ts";

const DEFAULT_TTL_SECONDS = 60;

/** `…/lease`: exclusive holds. The time to live comes in the body, or as fly-go's query. */
export function leaseRoutes(api: Api): Hono {
  return new Hono()
    .get("/", (c) => {
      const record = livingMachineAt(api, c);
      return c.json(envelope(record, held(api, record)));
    })
    .post("/", async (c) => {
      const body = await optionalBodyOf(api, c, leaseBody);
      const record = livingMachineAt(api, c);
      const nowMs = api.clock.now();
      const asked = c.req.header(NONCE_HEADER);
      refuseForeignLease(record, asked, nowMs);
      const seconds = body.ttl ?? (Number(c.req.query("ttl") ?? 0) || DEFAULT_TTL_SECONDS);
      if (seconds <= 0) throw invalid("ttl: must be more than 0 seconds");
      const before = leaseOf(record, nowMs);
      const lease: LeaseRecord = {
        nonce: before?.nonce ?? api.ids.hex(12),
        expiresMs: nowMs + seconds * 1_000,
        owner: "local@fks-node",
        description: body.description ?? before?.description ?? "",
      };
      const changed = api.keeper.change(record.id, (current) => ({ ...current, lease }));
      return c.json(envelope(changed, lease), 201);
    })
    .delete("/", (c) => {
      const record = livingMachineAt(api, c);
      const lease = held(api, record);
      if (c.req.header(NONCE_HEADER) !== lease.nonce) throw invalid("wrong lease nonce");
      api.keeper.change(record.id, ({ lease: _lease, ...rest }) => rest);
      return c.json({ status: "success", data: { ok: true } });
    });
}

function held(api: Api, record: MachineRecord): LeaseRecord {
  const lease = leaseOf(record, api.clock.now());
  if (lease === undefined) throw new ApiError(404, `machine ${record.id} lease not found`);
  return lease;
}

/** Flat for the specification's clients, in an envelope for fly-go. */
function envelope(record: MachineRecord, lease: LeaseRecord): object {
  const { nonce, owner, description } = lease;
  const expires_at = Math.floor(lease.expiresMs / 1_000);
  const data = { nonce, expires_at, owner, description, version: record.instanceId };
  return { status: "success", data, ...data };
}
