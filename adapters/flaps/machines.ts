import { FksError } from "#core/errors.ts";
import type { Machine, MachineState } from "#core/fly/machine.ts";
import type { Machines, WaitMachine } from "#core/ports/machines.ts";
import { type FlapsCall, type FlapsDeps, type FlapsRequest, flapsRequest } from "./request.ts";
import {
  anySchema,
  execSchema,
  machineSchema,
  machinesSchema,
  type Waited,
  waitSchema,
} from "./schema.ts";

/** What a wait and an exec may take beyond the time they were given. */
const GRACE_MS = 10_000;
const WAIT_SLICE_SECONDS = 60;

/** Machines by HTTP; it cannot tell Fly from our own Machines API. */
export function flapsMachines(deps: FlapsDeps): Machines {
  const request = flapsRequest(deps);

  return {
    create: (app, machine, signal) =>
      request(
        {
          method: "POST",
          path: machinesPath(app),
          app,
          budgeted: { action: "create", id: app },
          body: machine,
          schema: machineSchema,
        },
        signal,
      ),

    async list(app, metadata, signal) {
      const listed = await request(
        {
          method: "GET",
          path: machinesPath(app),
          query: Object.entries(metadata).map(([key, value]) => [`metadata.${key}`, value]),
          app,
          budgeted: { action: "list", id: app },
          schema: machinesSchema,
        },
        signal,
      );
      return listed.filter(({ state }) => state !== "destroyed").filter(carries(metadata));
    },

    get: (app, id, signal) => getMachine(request, app, id, signal),

    update: (app, id, update, signal) =>
      request(
        {
          method: "POST",
          path: machinePath(app, id),
          app,
          budgeted: { action: "update", id },
          body: update,
          schema: machineSchema,
        },
        signal,
      ),

    start: (app, id, signal) => tell(request, app, id, { action: "start" }, signal),

    stop: (app, id, { signal: name, timeoutSeconds }, signal) =>
      tell(
        request,
        app,
        id,
        {
          action: "stop",
          body: { timeout: `${timeoutSeconds}s`, ...(name !== undefined && { signal: name }) },
        },
        signal,
      ),

    restart: (app, id, signal) => tell(request, app, id, { action: "restart" }, signal),

    signal: (app, id, signalName, signal) =>
      tell(request, app, id, { action: "signal", body: { signal: signalName } }, signal),

    wait: (app, id, wanted, signal) => waitFor(request, app, id, wanted, signal),

    async destroy(app, id, force, signal) {
      const call: FlapsCall<unknown> = {
        method: "DELETE",
        path: machinePath(app, id),
        query: [["force", String(force)]],
        app,
        budgeted: { action: "destroy", id },
        schema: anySchema,
      };
      await request(call, signal).catch((error: unknown) => {
        // Someone else was faster, and gone is what we wanted.
        if (!FksError.is(error, "NotFound")) throw error;
      });
    },

    async setMetadata(app, id, key, value, signal) {
      await request(
        {
          method: "POST",
          path: `${machinePath(app, id)}/metadata/${encodeURIComponent(key)}`,
          app,
          budgeted: { action: "metadata", id },
          body: { value },
          schema: anySchema,
        },
        signal,
      );
    },

    exec: (app, id, { command, container, stdin, timeoutSeconds }, signal) =>
      request(
        {
          method: "POST",
          path: `${machinePath(app, id)}/exec`,
          app,
          budgeted: { action: "exec", id },
          body: {
            command,
            timeout: timeoutSeconds,
            ...(container !== undefined && { container }),
            ...(stdin !== undefined && { stdin }),
          },
          schema: execSchema,
          timeoutMs: timeoutSeconds * 1_000 + GRACE_MS,
        },
        signal,
      ),
  };
}

function machinesPath(app: string): string {
  return `/apps/${encodeURIComponent(app)}/machines`;
}

function machinePath(app: string, id: string): string {
  return `${machinesPath(app)}/${encodeURIComponent(id)}`;
}

/** Asks a server that may not know the filter; a Machine whose config is not told is believed. */
function carries(metadata: Readonly<Record<string, string>>): (machine: Machine) => boolean {
  const wanted = Object.entries(metadata);
  return ({ config }) =>
    config === undefined || wanted.every(([key, value]) => config.metadata?.[key] === value);
}

async function tell(
  request: FlapsRequest,
  app: string,
  id: string,
  order: { readonly action: string; readonly body?: unknown },
  signal: AbortSignal,
): Promise<void> {
  await request(
    {
      method: "POST",
      path: `${machinePath(app, id)}/${order.action}`,
      app,
      budgeted: { action: order.action, id },
      body: order.body ?? {},
      schema: anySchema,
    },
    signal,
  );
}

/** Fly answers one wait within a minute; a longer one is several. */
async function waitFor(
  request: FlapsRequest,
  app: string,
  id: string,
  wanted: WaitMachine,
  signal: AbortSignal,
): Promise<MachineState | undefined> {
  let left = wanted.timeoutSeconds;
  while (left > 0) {
    const slice = Math.min(left, WAIT_SLICE_SECONDS);
    left -= slice;
    const reached = await waitOnce(request, app, id, { ...wanted, timeoutSeconds: slice }, signal);
    if (reached !== undefined) return reached;
  }
  return undefined;
}

async function waitOnce(
  request: FlapsRequest,
  app: string,
  id: string,
  { states, timeoutSeconds, instanceId }: WaitMachine,
  signal: AbortSignal,
): Promise<MachineState | undefined> {
  const version = instanceId === undefined ? [] : [instanceId];
  const call: FlapsCall<Waited> = {
    method: "GET",
    path: `${machinePath(app, id)}/wait`,
    query: [
      ...states.map((state) => ["state", state] as const),
      ["timeout", timeoutSeconds.toString()],
      // The newer name of the parameter, and the one the older server knows.
      ...version.map((value) => ["version", value] as const),
      ...version.map((value) => ["instance_id", value] as const),
    ],
    app,
    budgeted: { action: "wait", id },
    schema: waitSchema,
    timeoutMs: timeoutSeconds * 1_000 + GRACE_MS,
    ranOut: { isReached: false },
  };

  try {
    const waited = await request(call, signal);
    if (!waited.isReached) return undefined;
    const only = states.length === 1 ? states[0] : undefined;
    return waited.state ?? only ?? (await getMachine(request, app, id, signal)).state;
  } catch (error) {
    // A Machine that is forgotten was destroyed.
    if (FksError.is(error, "NotFound") && states.includes("destroyed")) return "destroyed";
    throw error;
  }
}

function getMachine(
  request: FlapsRequest,
  app: string,
  id: string,
  signal: AbortSignal,
): Promise<Machine> {
  return request(
    {
      method: "GET",
      path: machinePath(app, id),
      app,
      budgeted: { action: "get", id },
      schema: machineSchema,
    },
    signal,
  );
}
