import { FksError, messageOf } from "#core/errors.ts";
import type { Handler } from "#core/fly/machine-protocol.ts";
import type { Connection } from "#core/ports/machine-protocol.ts";
import type { MachineAddress, Runtime } from "../runtime/runtime.ts";
import type { ActionTarget } from "./outcome.ts";

export interface Place {
  /** Absent: the Machine's own address. */
  readonly host?: string;
  readonly port: number;
}

/** Connects to a place as the Machine itself sees it. */
export type Dial = (place: Place) => Promise<{ readonly connection: Connection }>;

/**
 * From inside the Machine: no way through the host's routes is shorter, and its private IPv4 is
 * reachable only there. Without a host it is the Machine's IPv6 address and then, for programs that
 * know nothing else, the IPv4 one.
 */
export function dialMachine(
  runtime: Runtime,
  { id, address }: ActionTarget,
  signal: AbortSignal,
): Dial {
  const dial = (host: string, port: number): Promise<Connection> =>
    runtime.dial(id.machineId, { host, port }, signal);
  return async ({ host, port }) => {
    if (host !== undefined) return { connection: await dial(host, port) };
    try {
      return { connection: await dial(address.ipv6, port) };
    } catch (error) {
      if (signal.aborted || !FksError.is(error, "Unavailable")) throw error;
      return { connection: await dial(address.ipv4, port) };
    }
  };
}

/** `host:port` as Go joins them. */
export function hostPort(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Where a handler asks, in a message: a URL, or `host:port`. */
export function addressText(handler: Handler, { ipv6 }: MachineAddress): string {
  if (handler.kind === "exec" || handler.kind === "sleep") return "";
  const host = handler.kind === "grpc" ? ipv6 : (handler.host ?? ipv6);
  const where = hostPort(host, handler.port);
  return handler.kind === "http" ? `${handler.scheme}://${where}${slashed(handler.path)}` : where;
}

export function slashed(path: string): string {
  return path.startsWith("/") ? path : `/${path}`;
}

/** Why nobody answered, as Go's network package words it. */
export function refusedText(handler: Handler, address: MachineAddress, error: unknown): string {
  const where = addressText(handler, address);
  if (!FksError.is(error, "Unavailable")) {
    return handler.kind === "http" ? `Get "${where}": ${messageOf(error)}` : messageOf(error);
  }
  const host = handler.kind === "http" ? new URL(where).host : where;
  const refused = `dial tcp ${host}: connect: connection refused`;
  if (handler.kind === "http") return `Get "${where}": ${refused}`;
  return handler.kind === "grpc"
    ? `error: failed to connect service ${where}: ${refused}`
    : refused;
}
