import { type Context, Hono } from "hono";
import type { MachineState } from "#core/fly/machine.ts";
import { precondition } from "../errors.ts";
import { NONCE_HEADER, refuseForeignLease } from "../leases.ts";
import { restartAsked, type StopAsked, startAsked, stopAsked } from "../machine-life.ts";
import type { MachineRecord } from "../record.ts";
import { signalBody, stopBody } from "../schema.ts";
import {
  type Api,
  bodyOf,
  livingMachineAt,
  machineAt,
  optionalBodyOf,
  signalNameOf,
  timeoutMsOf,
  viewOf,
} from "./context.ts";

/** What is done to a Machine: `/v1/apps/:app/machines/:id/…`. */
export function actionRoutes(api: Api): Hono {
  const { keeper } = api;
  return new Hono()
    .post("/start", (c) => {
      const record = heldMachineAt(api, c);
      refuseStart(record);
      keeper.change(record.id, startAsked);
      const previous_state = record.state;
      return c.json({ previous_state, migrated: false, new_host: "", status: "ok", message: "" });
    })
    .post("/stop", async (c) => {
      const asked = stopAskedBy(await optionalBodyOf(api, c, stopBody));
      const record = livingMachineAt(api, c);
      keeper.change(record.id, (current, moment) => stopAsked(current, asked, moment));
      return c.json({ ok: true });
    })
    .post("/restart", async (c) => {
      const body = stopAskedBy(await optionalBodyOf(api, c, stopBody));
      const timeout = timeoutMsOf(c.req.query("timeout"));
      const signal = c.req.query("signal");
      const isForced = c.req.query("force_stop") === "true";
      const asked: StopAsked = {
        ...body,
        ...(timeout === undefined ? {} : { timeoutMs: timeout }),
        ...(signal === undefined || signal === "" ? {} : { signal: signalNameOf(signal) }),
        ...(isForced ? { signal: "SIGKILL", timeoutMs: 0 } : {}),
      };
      const record = heldMachineAt(api, c);
      refuseRestart(record.state);
      keeper.change(record.id, (current, moment) => restartAsked(current, asked, moment));
      return c.json({ ok: true });
    })
    .post("/signal", async (c) => {
      const name = signalNameOf((await bodyOf(api, c, signalBody)).signal);
      const record = livingMachineAt(api, c);
      if (record.state !== "started") throw precondition(`machine is ${record.state}, not started`);
      for (const { phase, name: container, attempt } of record.containers) {
        if (phase !== "running") continue;
        const id = { machineId: record.id, name: container, attempt };
        await api.runtime.signal(id, name, c.req.raw.signal);
      }
      return c.json({ ok: true });
    })
    .post("/suspend", (c) => {
      heldMachineAt(api, c);
      throw precondition("this machine cannot be suspended: stop it instead");
    })
    .post("/cordon", (c) => cordon(api, c, true))
    .post("/uncordon", (c) => cordon(api, c, false))
    .get("/events", (c) => {
      const limit = Math.min(Number(c.req.query("limit") ?? 20) || 20, 50);
      return c.json(machineAt(api, c).events.slice(0, limit));
    })
    .get("/versions", (c) => c.json(api.store.versions(machineAt(api, c).id)))
    .get("/ps", (c) => {
      machineAt(api, c);
      throw precondition("the processes of a machine are not listed here: use exec");
    });
}

/** A living Machine that no one else holds by a lease. */
function heldMachineAt(api: Api, c: Context): MachineRecord {
  const record = livingMachineAt(api, c);
  refuseForeignLease(record, c.req.header(NONCE_HEADER), api.clock.now());
  return record;
}

function refuseStart({ state }: MachineRecord): void {
  if (state === "replacing") throw precondition("machine getting replaced, refusing to start");
  if (state === "stopping" || state === "destroying" || state === "restarting") {
    throw precondition("machine still active, refusing to start");
  }
  if (state === "created") {
    throw precondition("unable to start machine from current state: 'created'");
  }
}

function refuseRestart(state: MachineState): void {
  if (state === "created" || state === "destroying" || state === "stopping") {
    throw precondition(`unable to restart machine from current state: '${state}'`);
  }
}

function stopAskedBy(body: {
  readonly signal?: string | number;
  readonly timeout?: string | number;
}): StopAsked {
  const { signal } = body;
  const timeoutMs = timeoutMsOf(body.timeout);
  return {
    ...(signal === undefined || signal === "" || signal === 0
      ? {}
      : { signal: signalNameOf(signal) }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  };
}

function cordon(api: Api, c: Context, cordoned: boolean): Response {
  const { id } = heldMachineAt(api, c);
  viewOf(
    api,
    api.keeper.change(id, (record) => ({ ...record, cordoned })),
  );
  return c.json({ ok: true });
}
