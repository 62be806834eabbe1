import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import { type Pipe, socketPipe } from "./pipe.ts";
import { refuseUpgrade } from "./respond.ts";

/** A larger message than any client of Kubernetes sends ends the connection. */
const MESSAGE_MAX_BYTES = 16 * 1_048_576;

export interface UpgradeRequest {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  /** What arrived together with the request. */
  readonly head: Buffer;
}

export function wantsSpdy({ request }: UpgradeRequest): boolean {
  return /^spdy\/3\.1$/i.test(request.headers.upgrade ?? "");
}

export function wantsWebSocket({ request }: UpgradeRequest): boolean {
  return /^websocket$/i.test(request.headers.upgrade ?? "");
}

/**
 * Switches to SPDY with the first protocol of the client's that we know. Versions come in one
 * header line or in many. A client that names none gets the oldest, `""`, where `allowsNone`.
 */
export function acceptSpdy(
  { request, socket, head }: UpgradeRequest,
  known: readonly string[],
  allowsNone: boolean,
): { readonly pipe: Pipe; readonly protocol: string } | undefined {
  const offered = listed(request.headers["x-stream-protocol-version"]);
  const protocol = chosen(offered, known, allowsNone);
  if (protocol === undefined) {
    refuseUpgrade(socket, 403, noProtocol(offered, known), {
      "X-Accepted-Stream-Protocol-Versions": known.join(", "),
    });
    return undefined;
  }
  const lines = ["HTTP/1.1 101 Switching Protocols", "Connection: Upgrade", "Upgrade: SPDY/3.1"];
  if (protocol !== "") lines.push(`X-Stream-Protocol-Version: ${protocol}`);
  socket.write(`${lines.join("\r\n")}\r\n\r\n`);
  return { pipe: socketPipe(socket, head), protocol };
}

export interface AcceptedWebSocket {
  readonly ws: WebSocket;
  /** Empty when the client named none. */
  readonly protocol: string;
}

/** Resolves with `undefined` when the client was refused or left in the middle. */
export function acceptWebSocket(
  { request, socket, head }: UpgradeRequest,
  known: readonly string[],
): Promise<AcceptedWebSocket | undefined> {
  const offered = listed(request.headers["sec-websocket-protocol"]);
  const protocol = chosen(offered, known, true);
  if (protocol === undefined) {
    refuseUpgrade(socket, 403, noProtocol(offered, known));
    return Promise.resolve(undefined);
  }
  const { promise, resolve } = Promise.withResolvers<AcceptedWebSocket | undefined>();
  const server = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: MESSAGE_MAX_BYTES,
    clientTracking: false,
  });
  // Kubernetes names a protocol with a slash, which the library takes for a malformed header:
  // so the choice is made above and written here.
  delete request.headers["sec-websocket-protocol"];
  server.on("headers", (headers) => {
    if (protocol !== "") headers.push(`Sec-WebSocket-Protocol: ${protocol}`);
  });
  socket.once("close", () => resolve(undefined));
  server.handleUpgrade(request, socket, head, (ws) => resolve({ ws, protocol }));
  return promise;
}

function chosen(
  offered: readonly string[],
  known: readonly string[],
  allowsNone: boolean,
): string | undefined {
  if (offered.length === 0) return allowsNone ? "" : undefined;
  return offered.find((protocol) => known.includes(protocol));
}

function noProtocol(offered: readonly string[], known: readonly string[]): string {
  return `unable to upgrade: unable to negotiate protocol: client supports [${offered.join(" ")}], server accepts [${known.join(" ")}]`;
}

function listed(value: string | readonly string[] | undefined): readonly string[] {
  const texts = value === undefined ? [] : typeof value === "string" ? [value] : value;
  return texts
    .flatMap((text) => text.split(","))
    .map((text) => text.trim())
    .filter((text) => text !== "");
}
