import { requireFreePort } from "#adapters/host/ports.ts";
import { FksError } from "#core/errors.ts";
import {
  API_SERVER_PORT,
  type ControlPlanePlan,
  type EngineName,
} from "#embedded/control-plane/engine.ts";

const PORTS_TRIED = 100;

/** Where the API of a new cluster is to listen. Throws `Conflict` when nothing is free. */
export async function firstApiPort(engine: EngineName): Promise<number> {
  // The upstream parts listen on the cluster's own address only, where nobody else is.
  if (engine === "upstream") return API_SERVER_PORT;
  for (let port = API_SERVER_PORT; port < API_SERVER_PORT + 2 * PORTS_TRIED; port += 2) {
    try {
      await requireFree(k3sLoopback(port));
      return port;
    } catch (error) {
      if (!FksError.is(error, "Conflict")) throw error;
    }
  }
  throw new FksError(
    "Conflict",
    `no two ports in a row are free on loopback from ${API_SERVER_PORT} on`,
  );
}

/** Throws `Conflict` naming the process that holds a port the control plane is about to take. */
export async function requireApiPort(
  engine: EngineName,
  { address, port }: ControlPlanePlan,
): Promise<void> {
  await requireFree([{ host: address, port }, ...(engine === "k3s" ? k3sLoopback(port) : [])]);
}

/** K3s listens on loopback too, and its API server inside on the port after that. */
function k3sLoopback(port: number): readonly Listener[] {
  return [
    { host: "127.0.0.1", port },
    { host: "::1", port },
    { host: "::1", port: port + 1 },
  ];
}

interface Listener {
  readonly host: string;
  readonly port: number;
}

async function requireFree(listeners: readonly Listener[]): Promise<void> {
  for (const listener of listeners) await requireFreePort(listener);
}
