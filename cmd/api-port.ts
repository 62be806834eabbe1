import { requireFreePort } from "#adapters/host/ports.ts";
import { reserve } from "#adapters/host/reservation.ts";
import { FksError } from "#core/errors.ts";
import {
  API_SERVER_PORT,
  type ControlPlanePlan,
  type EngineName,
} from "#embedded/control-plane/engine.ts";

const PORTS_TRIED = 100;

/** A port that no other instance of ours takes until it is let go, or until this process ends. */
interface ApiPort {
  readonly port: number;
  letGo(): void;
}

/**
 * The port of a cluster's API: the one it has, or for a new one the first to be had.
 *
 * To look is not enough. K3s takes seconds until it listens, and another instance that starts
 * meanwhile would see the same port free. Throws `Conflict` when there is none.
 */
export async function takeApiPort(engine: EngineName, known: number | undefined): Promise<ApiPort> {
  // The upstream parts listen on the cluster's own address only, where nobody else is.
  if (engine === "upstream") return { port: known ?? API_SERVER_PORT, letGo() {} };
  if (known !== undefined) return take(known);
  for (let port = API_SERVER_PORT; port < API_SERVER_PORT + 2 * PORTS_TRIED; port += 2) {
    try {
      return await take(port);
    } catch (error) {
      if (!FksError.is(error, "Conflict")) throw error;
    }
  }
  throw new FksError(
    "Conflict",
    `no two ports in a row are free on loopback from ${API_SERVER_PORT} on`,
  );
}

async function take(port: number): Promise<ApiPort> {
  const letGo = await reserve(`fks-node/api-port/${port}`);
  try {
    await requireFree(k3sLoopback(port));
  } catch (error) {
    letGo?.();
    throw error;
  }
  if (letGo !== undefined) return { port, letGo };
  throw new FksError("Conflict", `port ${port} is about to be taken by another fks-node`);
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
