import type { Clock } from "#core/ports/clock.ts";
import type { Forward } from "../port-forward.ts";
import type { SessionScope } from "../remote-streams.ts";
import type { AcceptedWebSocket } from "../upgrade.ts";
import { websocketChannels } from "./channels.ts";

/** Subprotocol that carries SPDY frames for port-forward. */
export const TUNNEL_PROTOCOL = "SPDY/3.1+portforward.k8s.io";

export const WEBSOCKET_FORWARD_PROTOCOLS = [
  TUNNEL_PROTOCOL,
  "v4.channel.k8s.io",
  "v4.base64.channel.k8s.io",
] as const;

/**
 * The older way: the ports stand in the request, and each has two channels, data and error, that
 * begin with the port in two bytes, low byte first. Resolves when the client is gone.
 */
export async function websocketForward(
  { ws, protocol }: AcceptedWebSocket,
  ports: readonly number[],
  forward: Forward,
  { scope, clock }: { readonly scope: SessionScope; readonly clock: Clock },
): Promise<void> {
  const channels = websocketChannels(ws, {
    isBase64: protocol.includes("base64."),
    hasClose: false,
    scope,
    clock,
  });
  const forwards = ports.map(async (port, index) => {
    const [data, error] = [index * 2, index * 2 + 1].map((channel) => channels.writable(channel));
    const readable = channels.readable(index * 2);
    if (data === undefined || error === undefined) return;
    await Promise.all([data, error].map((output) => greet(output, port)));
    await forward({ port, readable, writable: data, error, signal: channels.signal });
  });
  await Promise.allSettled(forwards);
  await channels.close();
}

async function greet(output: WritableStream<Uint8Array>, port: number): Promise<void> {
  const writer = output.getWriter();
  await writer.write(Uint8Array.of(port & 0xff, port >> 8));
  writer.releaseLock();
}

/** The ports of a request's query, `port=80,81&port=82`; `undefined` when one is no port. */
export function portsIn(values: readonly string[]): readonly number[] | undefined {
  const ports = values.flatMap((value) => value.split(",")).map(Number);
  const arePorts = ports.every((port) => Number.isInteger(port) && port >= 1 && port <= 65_535);
  return arePorts && ports.length > 0 ? ports : undefined;
}
