import type { ServerResponse } from "node:http";

const JSON_TYPE = "application/json";

export function sendJson(
  response: ServerResponse,
  body: object,
  mediaType: string = JSON_TYPE,
): void {
  write(response, 200, mediaType, JSON.stringify(body));
}

const REASONS: Readonly<Record<number, string>> = {
  400: "BadRequest",
  401: "Unauthorized",
  403: "Forbidden",
  404: "NotFound",
  405: "MethodNotAllowed",
  406: "NotAcceptable",
  500: "InternalError",
  503: "ServiceUnavailable",
};

/** A failure as every Kubernetes client expects it: a `Status`. */
export function sendStatus(response: ServerResponse, code: number, message: string): void {
  const reason = REASONS[code] ?? "Unknown";
  const metadata = {};
  const body = {
    kind: "Status",
    apiVersion: "v1",
    metadata,
    status: "Failure",
    message,
    reason,
    code,
  };
  write(response, code, JSON_TYPE, JSON.stringify(body));
}

export function sendText(response: ServerResponse, text: string): void {
  write(response, 200, "text/plain; charset=utf-8", text);
}

function write(response: ServerResponse, status: number, type: string, text: string): void {
  const bytes = Buffer.from(text);
  response.writeHead(status, { "Content-Type": type, "Content-Length": bytes.length });
  response.end(bytes);
}
