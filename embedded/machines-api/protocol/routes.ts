import type { Server } from "bun";
import { type Context, Hono } from "hono";
import { FksError } from "#core/errors.ts";
import type { LogOptions } from "#core/fly/machine-protocol.ts";
import { addedBody, bundleBody, endBody, volumeFilesBody } from "../bundle-schema.ts";
import { type ContainerRecord, containerOf, type MachineRecord } from "../record.ts";
import { type Api, bodyOf, MAX_BUNDLE_BYTES, machineAt } from "../routes/context.ts";
import type { ContainerId } from "../runtime/runtime.ts";
import { reportOf } from "../views.ts";
import { type Session, SUBPROTOCOL } from "./channels.ts";
import { addContainer, deliver, end, writeFiles } from "./delivery.ts";
import { keptLogRoutes } from "./kept-logs.ts";
import { logOptionsOf } from "./log-options.ts";
import { attachSession, connectSession, execSession } from "./sessions.ts";
import { machinesUsage } from "./usage.ts";
import { watchStream } from "./watch.ts";

/** As Kubernetes has it. */
const CONTAINER_NAME = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const MACHINE = "/apps/:app/machines/:id";

/** `/fks/v1`: the Machine protocol. `signal` ends what streams when the server stops. */
export function protocolRoutes(api: Api, signal: AbortSignal): Hono<Bindings> {
  return new Hono<Bindings>()
    .get(MACHINE, (c) => {
      const record = machineAt(api, c);
      return c.json(reportOf(record, api.bundles.has(record.id)));
    })
    .put(`${MACHINE}/bundle`, async (c) => {
      const bundle = await bodyOf(api, c, bundleBody, MAX_BUNDLE_BYTES);
      await deliver(api, machineAt(api, c), bundle, c.req.raw.signal);
      return c.body(null, 204);
    })
    .put(`${MACHINE}/volumes/:volume`, async (c) => {
      const files = await bodyOf(api, c, volumeFilesBody, MAX_BUNDLE_BYTES);
      const volume = c.req.param("volume");
      await writeFiles(api, machineAt(api, c), { volume, files }, c.req.raw.signal);
      return c.body(null, 204);
    })
    .put(`${MACHINE}/containers/:container`, async (c) => {
      const name = c.req.param("container");
      const added = await bodyOf(api, c, addedBody);
      if (!CONTAINER_NAME.test(name)) {
        throw new FksError("InvalidInput", `a container cannot be called ${JSON.stringify(name)}`);
      }
      addContainer(api, machineAt(api, c), name, added);
      return c.body(null, 204);
    })
    .put(`${MACHINE}/end`, async (c) => {
      const request = await bodyOf(api, c, endBody);
      end(api, machineAt(api, c), request);
      return c.body(null, 204);
    })
    .get(`${MACHINE}/containers/:container/logs`, async (c) => {
      const options = logOptionsOf(c);
      const id = loggedContainer(machineAt(api, c), c.req.param("container"), options);
      const until = AbortSignal.any([c.req.raw.signal, signal]);
      const body = await api.runtime.logs(id, options, until);
      return new Response(body, { headers: { "content-type": "text/plain; charset=utf-8" } });
    })
    .get(`${MACHINE}/containers/:container/exec`, (c) => {
      const command = c.req.queries("command") ?? [];
      if (command.length === 0) throw new FksError("InvalidInput", "command is missing");
      const id = runningContainer(machineAt(api, c), c.req.param("container"));
      const tty = c.req.query("tty") === "true";
      return upgrade(c, execSession(api, id, { command, tty, ...streamsOf(c) }, signal));
    })
    .get(`${MACHINE}/containers/:container/attach`, (c) => {
      const id = runningContainer(machineAt(api, c), c.req.param("container"));
      return upgrade(c, attachSession(api, id, streamsOf(c), signal));
    })
    .get(`${MACHINE}/connect`, (c) => {
      const port = Number(c.req.query("port"));
      if (!Number.isInteger(port) || port < 1 || port > 65_535) {
        throw new FksError("InvalidInput", "port must be a number from 1 to 65535");
      }
      const record = machineAt(api, c);
      if (record.state !== "started") {
        throw new FksError("Conflict", `the Machine is ${record.state}, not started`);
      }
      return upgrade(c, connectSession(api, record.id, port, signal));
    })
    .get("/stats", async (c) => {
      const until = AbortSignal.any([c.req.raw.signal, signal]);
      return c.json({ machines: await machinesUsage(api, until) });
    })
    .put("/reclaim", async (c) => {
      await api.collector.reclaim(AbortSignal.any([c.req.raw.signal, signal]));
      return c.body(null, 204);
    })
    .get("/troubles", (c) => c.json({ troubles: api.collector.troubles() }))
    .route("/logs", keptLogRoutes(api.runtime.keptLogs, signal))
    .get("/watch", (c) => {
      const body = watchStream(api, AbortSignal.any([c.req.raw.signal, signal]));
      return new Response(body, { headers: { "content-type": "application/x-ndjson" } });
    });
}

function streamsOf(c: Context): { stdin: boolean; stdout: boolean; stderr: boolean } {
  const is = (name: string): boolean => c.req.query(name) === "true";
  return { stdin: is("stdin"), stdout: is("stdout"), stderr: is("stderr") };
}

interface Bindings {
  readonly Bindings: Server<Session>;
}

function upgrade(c: Context<Bindings>, session: Session): Response {
  const offered = c.req.header("sec-websocket-protocol")?.split(/,\s*/) ?? [];
  if (!offered.includes(SUBPROTOCOL)) {
    throw new FksError("InvalidInput", `a WebSocket with the subprotocol ${SUBPROTOCOL} is needed`);
  }
  const headers = { "sec-websocket-protocol": SUBPROTOCOL };
  const isUpgraded = c.env.upgrade(c.req.raw, { data: session, headers });
  if (!isUpgraded) throw new FksError("InvalidInput", "not a WebSocket request");
  // The socket is no longer HTTP's: this answer is never sent.
  return new Response(null);
}

function knownContainer(record: MachineRecord, name: string): ContainerRecord {
  const container = containerOf(record, name);
  if (container === undefined) throw new FksError("NotFound", `container ${name} not found`);
  return container;
}

function runningContainer(record: MachineRecord, name: string): ContainerId {
  const { phase, attempt } = knownContainer(record, name);
  if (phase !== "running") throw new FksError("Conflict", `container ${name} is not running`);
  return { machineId: record.id, name, attempt };
}

/** As in the kubelet: a container that waits after an end shows the logs of that end. */
function loggedContainer(record: MachineRecord, name: string, options: LogOptions): ContainerId {
  const container = knownContainer(record, name);
  const last = container.lastState?.terminated?.containerID;
  if (options.previous === true || (container.shown.waiting !== undefined && last !== undefined)) {
    if (last === undefined) {
      throw new FksError("NotFound", `previous terminated container "${name}" not found`);
    }
    return { machineId: record.id, name, attempt: Number(last.slice(last.lastIndexOf("-") + 1)) };
  }
  const { waiting } = container.shown;
  if (waiting !== undefined) {
    throw new FksError("Conflict", `container "${name}" is waiting to start: ${waiting.reason}`);
  }
  return { machineId: record.id, name, attempt: container.attempt };
}
