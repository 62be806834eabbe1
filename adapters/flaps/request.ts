import type { z } from "zod";
import { FksError } from "#core/errors.ts";
import type { Clock } from "#core/ports/clock.ts";
import type { Log } from "#core/ports/log.ts";
import { affinity } from "./affinity.ts";
import { authorizationFor } from "./authorization.ts";
import type { BudgetedCall, CallBudget } from "./budget.ts";
import { errorFor, withoutToken } from "./errors.ts";
import { withoutNulls } from "./schema.ts";

export interface FlapsDeps {
  /** `https://api.machines.dev`, `http://_api.internal:4280`, or our own on loopback. */
  readonly baseUrl: string;
  readonly token: string;
  readonly budget: CallBudget;
  readonly clock: Clock;
  readonly log: Log;
}

export interface FlapsCall<T> {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** Below `/v1`. */
  readonly path: string;
  readonly query?: readonly (readonly [string, string])[];
  /** The App whose affinity cookie goes along; absent for calls about no one App. */
  readonly app?: string;
  readonly budgeted: BudgetedCall;
  readonly body?: unknown;
  readonly schema: z.ZodType<T>;
  /** How long the answer may take; beyond it nobody knows whether the call was obeyed. */
  readonly timeoutMs?: number;
  /** What a 408 means where it is no failure: the server waited as long as it was told to. */
  readonly ranOut?: T;
}

export type FlapsRequest = <T>(call: FlapsCall<T>, signal: AbortSignal) => Promise<T>;

const TIMEOUT_MS = 60_000;

/** One HTTP call within the budget: an answer that fits the schema, or a typed error. No retries. */
export function flapsRequest(deps: FlapsDeps): FlapsRequest {
  const { budget, clock, log, token } = deps;
  const root = deps.baseUrl.replace(/\/+$/, "").replace(/\/v1$/, "");
  const authorization = authorizationFor(token);
  const cookies = affinity();

  return async (call, signal) => {
    await budget.take(call.budgeted, signal);
    const timeout = clock.timeout(call.timeoutMs ?? TIMEOUT_MS);
    const what = `${call.method} /v1${call.path}`;
    const { response, body } = await send(call, AbortSignal.any([signal, timeout])).catch(
      (error: unknown) => {
        if (signal.aborted) throw signal.reason;
        throw new FksError("Unavailable", withoutToken(`${what}: ${textOf(error)}`, token), {
          cause: error,
        });
      },
    );

    if (response.ok) return parsed(what, body, call.schema);
    if (response.status === 408 && call.ranOut !== undefined) return call.ranOut;
    const failure = errorFor({
      what,
      httpStatus: response.status,
      body,
      requestId: response.headers.get("fly-request-id"),
      retryAfter: response.headers.get("retry-after"),
      nowMs: clock.now(),
      token,
    });
    if (failure.retryAfterMs !== undefined) budget.pause(call.budgeted, failure.retryAfterMs);
    throw failure;
  };

  async function send<T>(
    call: FlapsCall<T>,
    signal: AbortSignal,
  ): Promise<{ readonly response: Response; readonly body: string }> {
    const startedMs = clock.now();
    const response = await fetch(`${root}/v1${call.path}${queryOf(call)}`, {
      method: call.method,
      headers: {
        authorization,
        accept: "application/json",
        "user-agent": "fks-node",
        ...(call.body !== undefined && { "content-type": "application/json" }),
        ...(call.app !== undefined && cookies.headerFor(call.app)),
      },
      ...(call.body !== undefined && { body: JSON.stringify(call.body) }),
      // The token must not follow a redirect to somewhere else.
      redirect: "manual",
      signal,
      timeout: false,
    });
    const body = await response.text();
    if (call.app !== undefined) cookies.learn(call.app, response);
    log.debug("called the machines api", {
      action: call.budgeted.action,
      id: call.budgeted.id,
      http_status: response.status,
      took_ms: clock.now() - startedMs,
    });
    return { response, body };
  }
}

function queryOf<T>({ query = [] }: FlapsCall<T>): string {
  const parts = query.map(
    ([key, value]) => `${encodeURIComponent(key)}=${encodeURIComponent(value)}`,
  );
  return parts.length === 0 ? "" : `?${parts.join("&")}`;
}

/** A success we cannot read was obeyed all the same: `Unavailable`, as for a lost answer. */
function parsed<T>(what: string, body: string, schema: z.ZodType<T>): T {
  const read = schema.safeParse(withoutNulls(jsonOf(body)));
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  const where = issue === undefined ? "" : ` at ${issue.path.join(".") || "its root"}`;
  throw new FksError("Unavailable", `${what}: the answer is not what was expected${where}`, {
    cause: read.error,
  });
}

function jsonOf(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

function textOf(error: unknown): string {
  if (!(error instanceof Error)) return "the call failed";
  return error.name === "TimeoutError" ? "no answer in time" : error.message;
}
