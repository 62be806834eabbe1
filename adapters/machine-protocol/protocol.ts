import { FksError } from "#core/errors.ts";
import type {
  HostTrouble,
  LogOptions,
  MachineReport,
  MachineUsage,
} from "#core/fly/machine-protocol.ts";
import type { MachineProtocol } from "#core/ports/machine-protocol.ts";
import { call, open, type ProtocolDeps, pathOf } from "./call.ts";
import { connectionOver } from "./connect.ts";
import { jsonOf, lost } from "./errors.ts";
import { attachQuery, carryStreams, execQuery } from "./exec.ts";
import { keptLogsSchema, reportSchema, troublesSchema, usageSchema } from "./schema.ts";
import { openSocket } from "./socket.ts";
import { watchChanges } from "./watch.ts";

/** The Machine protocol by HTTP and WebSocket, as docs/machine-protocol.md describes it. */
export function machineProtocol(deps: ProtocolDeps): MachineProtocol {
  return {
    report: async (machine, signal) =>
      reportOf(await call(deps, "GET", pathOf(machine), undefined, signal)),

    async deliver(machine, bundle, signal) {
      await call(deps, "PUT", `${pathOf(machine)}/bundle`, bundle, signal);
    },

    async addContainer(machine, name, container, signal) {
      await call(deps, "PUT", containerPath(machine, name), container, signal);
    },

    async writeFiles(machine, volume, files, signal) {
      const path = `${pathOf(machine)}/volumes/${encodeURIComponent(volume)}`;
      await call(deps, "PUT", path, files, signal);
    },

    async end(machine, request, signal) {
      await call(deps, "PUT", `${pathOf(machine)}/end`, request, signal);
    },

    async reclaim(signal) {
      try {
        await call(deps, "PUT", "/fks/v1/reclaim", undefined, signal);
      } catch (error) {
        if (!FksError.is(error, "NotFound")) throw error;
      }
    },

    async logs(machine, container, options, signal) {
      const path = `${containerPath(machine, container)}/logs?${logQuery(options)}`;
      return streamed(deps, path, signal);
    },

    keptLogs: {
      list: async (signal) => listOf(await call(deps, "GET", KEPT, undefined, signal)),

      async read(machineId, container, options, signal) {
        const what = [machineId, container].map(encodeURIComponent).join("/");
        return streamed(deps, `${KEPT}/${what}?${logQuery(options)}`, signal);
      },

      async forget(machineId, signal) {
        await call(deps, "DELETE", `${KEPT}/${encodeURIComponent(machineId)}`, undefined, signal);
      },
    },

    async exec(machine, container, request, signal) {
      const path = `${containerPath(machine, container)}/exec?${execQuery(request)}`;
      return carryStreams(await openSocket(deps, path, signal), request);
    },

    async attach(machine, container, request, signal) {
      const path = `${containerPath(machine, container)}/attach?${attachQuery(request)}`;
      return carryStreams(await openSocket(deps, path, signal), request);
    },

    async connect(machine, port, signal) {
      const path = `${pathOf(machine)}/connect?port=${port}`;
      return connectionOver(await openSocket(deps, path, signal));
    },

    async troubles(signal) {
      try {
        return troublesOf(await call(deps, "GET", "/fks/v1/troubles", undefined, signal));
      } catch (error) {
        if (FksError.is(error, "NotFound")) return [];
        throw error;
      }
    },

    usage: async (signal) => usageOf(await call(deps, "GET", "/fks/v1/stats", undefined, signal)),

    watch: (signal) => watchChanges(deps, signal),
  };
}

const KEPT = "/fks/v1/logs";

async function streamed(
  deps: ProtocolDeps,
  path: string,
  signal: AbortSignal,
): Promise<ReadableStream<Uint8Array>> {
  const { body } = await open(deps, { method: "GET", path }, signal, signal);
  return body === null ? new ReadableStream() : unbroken(body, path, signal);
}

function troublesOf(body: string): readonly HostTrouble[] {
  const troubles = troublesSchema.safeParse(jsonOf(body));
  if (troubles.success) return troubles.data.troubles;
  const message = "what the host has trouble with was not understood";
  throw new FksError("Unavailable", message, { cause: troubles.error });
}

function containerPath(
  machine: { readonly app: string; readonly id: string },
  name: string,
): string {
  return `${pathOf(machine)}/containers/${encodeURIComponent(name)}`;
}

function reportOf(body: string): MachineReport {
  const report = reportSchema.safeParse(jsonOf(body));
  if (report.success) return report.data;
  throw new FksError("Unavailable", "the Machine's report was not understood", {
    cause: report.error,
  });
}

function usageOf(body: string): readonly MachineUsage[] {
  const usage = usageSchema.safeParse(jsonOf(body));
  if (usage.success) return usage.data.machines;
  const message = "what the Machines use was not understood";
  throw new FksError("Unavailable", message, { cause: usage.error });
}

function listOf(body: string): readonly string[] {
  const list = keptLogsSchema.safeParse(jsonOf(body));
  if (list.success) return list.data.machines;
  const message = "whose logs are kept was not understood";
  throw new FksError("Unavailable", message, { cause: list.error });
}

function logQuery(options: LogOptions): string {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(options)) {
    if (value !== undefined && value !== false) query.set(key, String(value));
  }
  return query.toString();
}

/** The same bytes; a connection that breaks in the middle is `Unavailable`, an abort its reason. */
function unbroken(
  body: ReadableStream<Uint8Array>,
  path: string,
  signal: AbortSignal,
): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (done) controller.close();
        else controller.enqueue(value);
      } catch (error) {
        controller.error(signal.aborted ? signal.reason : lost(`GET ${path}`, error));
      }
    },
    cancel: (reason) => reader.cancel(reason),
  });
}
