import { type ServerResponse, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { FksError } from "#core/errors.ts";

/** Plain text, as the kubelet answers. */
export function sendText(response: ServerResponse, status: number, text: string): void {
  send(response, status, "text/plain; charset=utf-8", text);
}

export function sendJson(response: ServerResponse, value: unknown): void {
  send(response, 200, "application/json", JSON.stringify(value));
}

function send(response: ServerResponse, status: number, type: string, text: string): void {
  const body = Buffer.from(text);
  response.writeHead(status, { "Content-Type": type, "Content-Length": body.length });
  response.end(body);
}

/** The same on a socket whose request asked for an upgrade that it does not get. */
export function refuseUpgrade(
  socket: Duplex,
  status: number,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  const body = Buffer.from(text);
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? "Error"}`,
    "Content-Type: text/plain; charset=utf-8",
    `Content-Length: ${body.length}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    "Connection: close",
  ];
  socket.end(Buffer.concat([Buffer.from(`${lines.join("\r\n")}\r\n\r\n`), body]));
}

/** The HTTP status for a failure; `undefined` for one that is a bug. */
export function statusFor(error: unknown): number | undefined {
  if (!(error instanceof FksError)) return undefined;
  switch (error.code) {
    case "NotFound":
      return 404;
    case "InvalidInput":
    case "Conflict":
      return 400;
    case "Unsupported":
      return 501;
    case "Unavailable":
    case "RateLimited":
      return 503;
    case "Unauthorized":
    case "Forbidden":
      return 500;
    default:
      return error.code satisfies never;
  }
}
