import { FksError } from "#core/errors.ts";
import type { MachineRef } from "#core/fly/machine-protocol.ts";
import type { Clock } from "#core/ports/clock.ts";
import { errorFor, lost } from "./errors.ts";

export interface ProtocolDeps {
  /** Where the Machine protocol is served, without a path. */
  readonly baseUrl: string;
  readonly token: string;
  readonly clock: Clock;
}

const TIMEOUT_MS = 30_000;

/** The Machine's path, `M` of the protocol's description. */
export function pathOf({ app, id }: MachineRef): string {
  return `/fks/v1/apps/${encodeURIComponent(app)}/machines/${encodeURIComponent(id)}`;
}

export function urlOf(deps: ProtocolDeps, path: string): string {
  return `${deps.baseUrl.replace(/\/+$/, "")}${path}`;
}

export function authorizationOf(deps: ProtocolDeps): { readonly authorization: string } {
  return { authorization: `Bearer ${deps.token}` };
}

type Method = "GET" | "PUT" | "DELETE";

/** A call with a short answer: its text, within half a minute, or a typed error. */
export async function call(
  deps: ProtocolDeps,
  method: Method,
  path: string,
  body: unknown,
  signal: AbortSignal,
): Promise<string> {
  const deadline = AbortSignal.any([signal, deps.clock.timeout(TIMEOUT_MS)]);
  const response = await open(deps, { method, path, body }, signal, deadline);
  return response.text().catch((error: unknown) => {
    signal.throwIfAborted();
    throw lost(`${method} ${path}`, error);
  });
}

/** The response as soon as its headers are there; it lives as long as `lifetime` allows. */
export async function open(
  deps: ProtocolDeps,
  request: { readonly method: Method; readonly path: string; readonly body?: unknown },
  asked: AbortSignal,
  lifetime: AbortSignal,
): Promise<Response> {
  const { method, path, body } = request;
  try {
    const response = await fetch(urlOf(deps, path), {
      method,
      headers: {
        ...authorizationOf(deps),
        ...(body !== undefined && { "content-type": "application/json" }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      redirect: "manual",
      signal: lifetime,
      // A quiet stream may last for hours.
      timeout: false,
    });
    if (response.ok) return response;
    throw errorFor(`${method} ${path}`, response.status, await response.text());
  } catch (error) {
    asked.throwIfAborted();
    throw error instanceof FksError ? error : lost(`${method} ${path}`, error);
  }
}
