import { type Context, Hono } from "hono";
import type { MachineConfig } from "#core/fly/machine.ts";
import { ApiError, invalid, precondition } from "../errors.ts";
import { machineName } from "../ids.ts";
import { leaseOf, NONCE_HEADER, refuseForeignLease } from "../leases.ts";
import { configReplaced, destroyAsked, machineFor } from "../machine-life.ts";
import type { LeaseRecord, MachineRecord } from "../record.ts";
import { createBody, updateBody } from "../schema.ts";
import { guestOf } from "../specs.ts";
import { summaryOf } from "../views.ts";
import { holdersOf, regionOfVolumes, volumeIdsOf, withVolumes } from "../volumes/attachments.ts";
import { type Api, bodyOf, livingMachineAt, machineAt, viewOf } from "./context.ts";

/** `/v1/apps/:app/machines`: the collection, and the Machine itself. */
export function machineRoutes(api: Api): Hono {
  return new Hono()
    .get("/", (c) => c.json(list(api, c)))
    .post("/", (c) => create(api, c))
    .get("/:id", (c) => {
      const record = machineAt(api, c);
      const lease = leaseOf(record, api.clock.now());
      if (c.req.query("include_leases") !== "true" || lease === undefined) {
        return c.json(viewOf(api, record));
      }
      const { description, owner, expiresMs } = lease;
      const expires_at = Math.floor(expiresMs / 1_000);
      return c.json({ ...viewOf(api, record), lease: { description, owner, expires_at } });
    })
    .post("/:id", (c) => update(api, c))
    .delete("/:id", (c) => {
      const record = livingMachineAt(api, c);
      const isForced = c.req.query("force") === "true" || c.req.query("kill") === "true";
      if (!isForced && RUNNING.has(record.state)) {
        throw precondition("unable to destroy machine, not currently stopped, suspended or failed");
      }
      api.keeper.change(record.id, destroyAsked);
      return c.json({ ok: true });
    });
}

const RUNNING: ReadonlySet<string> = new Set([
  "starting",
  "started",
  "stopping",
  "restarting",
  "replacing",
]);

function list(api: Api, c: Context): readonly object[] {
  const app = api.apps.get(c.req.param("app") ?? "");
  const query = c.req.query();
  const states = query["state"]?.split(",");
  const metadata = Object.entries(query).flatMap(([name, value]) =>
    name.startsWith("metadata.") ? [[name.slice("metadata.".length), value] as const] : [],
  );
  const isWanted = (record: MachineRecord): boolean =>
    (record.state !== "destroyed" || query["include_deleted"] === "true") &&
    (query["region"] === undefined || record.region === query["region"]) &&
    (states === undefined || states.includes(record.state)) &&
    metadata.every(([key, value]) => record.config.metadata?.[key] === value);
  const views = api.keeper
    .inApp(app.name)
    .filter(isWanted)
    .map((record) => viewOf(api, record));
  return query["summary"] === "true" ? views.map(summaryOf) : views;
}

async function create(api: Api, c: Context): Promise<Response> {
  const { keeper, ids, clock } = api;
  const app = api.apps.get(c.req.param("app") ?? "");
  const body = await bodyOf(api, c, createBody);
  const ownVolumes = api.volumes.inApp(app.name);
  const wantedRegion = body.region || regionOfVolumes(body.config, ownVolumes);
  const region = regionFor(api.regions, wantedRegion);
  const name = body.name ?? machineName(api.random);
  if (keeper.named(app.name, name) !== undefined) {
    throw new ApiError(409, "already_exists: unique machine name violation");
  }
  // The App may have been deleted while the body was on its way.
  api.apps.get(app.name);
  const config = withVolumes(completed(body.config), {
    volumes: ownVolumes,
    holders: holdersOf(keeper.all()),
    region,
  });
  const asked = {
    id: ids.hex(14),
    app: app.name,
    name,
    region,
    serial: api.addresses.take(),
    config,
    launch: body.skip_launch !== true,
    cordoned: body.skip_service_registration === true,
  };
  const lease = newLease(api, body.lease_ttl);
  const record = {
    ...machineFor(asked, { nowMs: clock.now(), ids }),
    ...(lease === undefined ? {} : { lease }),
  };
  keeper.add(record);
  const nonce = lease === undefined ? {} : { nonce: lease.nonce };
  return c.json({ ...viewOf(api, record), ...nonce });
}

async function update(api: Api, c: Context): Promise<Response> {
  const { id } = livingMachineAt(api, c);
  const body = await bodyOf(api, c, updateBody);
  const record = livingMachineAt(api, c);
  refuseForeignLease(record, c.req.header(NONCE_HEADER), api.clock.now());
  if (record.state === "destroying") throw precondition("machine is being destroyed");
  if (body.current_version !== undefined && body.current_version !== record.instanceId) {
    throw new ApiError(409, "aborted: machine update failed due to concurrent update");
  }
  const config = completed(body.config);
  const [before, after] = [record.config, config].map((one) => volumeIdsOf(one).toSorted().join());
  if (before !== after) throw invalid("the volumes of a machine cannot be changed");
  const launch = body.skip_launch !== true;
  const lease = newLease(api, body.lease_ttl);
  const changed = api.keeper.change(id, (current, moment) => ({
    ...configReplaced(current, { config, launch }, moment),
    ...(lease === undefined ? {} : { lease }),
  }));
  const nonce = lease === undefined ? {} : { nonce: lease.nonce };
  return c.json({ ...viewOf(api, changed), ...nonce });
}

/** What clients read without asking whether it is there; the rest stays as it was sent. */
function completed(config: MachineConfig): MachineConfig {
  const known = new Set(config.containers?.map(({ name }) => name));
  const volumes = new Set(config.volumes?.map(({ name }) => name));
  for (const { name, depends_on = [] } of config.containers ?? []) {
    const missing = depends_on.find((other) => !known.has(other.name));
    if (missing !== undefined) {
      throw invalid(`container ${name} depends on ${missing.name}, which is not there`);
    }
  }
  if (volumes.size !== (config.volumes ?? []).length) throw invalid("names of volumes must differ");
  return { ...config, guest: guestOf(config) };
}

const ANY_REGION = new Set(["any", "apac", "eu", "na", "sa", "us", "usa"]);

/** The first region of a list that we have; an alias or nothing means any. */
function regionFor(regions: readonly string[], asked = ""): string {
  const [first = "local"] = regions;
  if (asked === "") return first;
  for (const wanted of asked.split(",")) {
    if (regions.includes(wanted)) return wanted;
    if (ANY_REGION.has(wanted)) return first;
  }
  throw invalid(`target region ${asked} not found`);
}

function newLease(api: Api, seconds: number | undefined): LeaseRecord | undefined {
  if (seconds === undefined || seconds <= 0) return undefined;
  return {
    nonce: api.ids.hex(12),
    expiresMs: api.clock.now() + seconds * 1_000,
    owner: "local@fks-node",
    description: "",
  };
}
