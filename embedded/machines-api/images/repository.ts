import { z } from "zod";
import { FksError } from "#core/errors.ts";
import type { PullCredential } from "#core/fly/machine-protocol.ts";
import type { Clock } from "#core/ports/clock.ts";
import { type Challenge, challengeOf } from "./challenge.ts";
import type { Endpoint } from "./endpoints.ts";
import { bodyOf, registryGet } from "./registry-http.ts";

/** One repository at one endpoint, asked as one user. */
export interface Repository {
  /**
   * GET below `/v2/<repository>/`; resolves with an answer 200 or 206.
   *
   * Throws FksError `NotFound`, `Unauthorized`, or `Unavailable` (with `retryAfterMs` when the
   * registry named a time), `InvalidInput` for any other answer.
   */
  get(
    path: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<Response>;
}

export interface RepositoryOptions {
  readonly endpoint: Endpoint;
  /** As people know it. */
  readonly registry: string;
  readonly repository: string;
  readonly credential: PullCredential | undefined;
  readonly clock: Clock;
}

const TOKEN_MAX_BYTES = 1 << 20;

const tokenAnswer = z.object({ token: z.string().optional(), access_token: z.string().optional() });

export function registryRepository(options: RepositoryOptions): Repository {
  const { endpoint, repository } = options;
  let authorization: string | undefined;

  const ask = (path: string, headers: Readonly<Record<string, string>>, signal: AbortSignal) =>
    registryGet(
      {
        url: `${endpoint.baseUrl}/v2/${repository}/${path}`,
        headers: authorization === undefined ? headers : { ...headers, authorization },
        isInsecure: endpoint.isInsecure,
      },
      signal,
    );

  return {
    async get(path, headers, signal) {
      let response = await ask(path, headers, signal);
      if (response.status === 401) {
        const challenge = challengeOf(response.headers.get("www-authenticate"));
        await response.body?.cancel();
        authorization = await authorizationFor(options, challenge, signal);
        response = await ask(path, headers, signal);
      }
      if (response.status === 200 || response.status === 206) return response;
      await response.body?.cancel();
      throw failureOf(options, response);
    },
  };
}

/** What to send after a 401: a token for this repository, or name and password. */
async function authorizationFor(
  options: RepositoryOptions,
  challenge: Challenge | undefined,
  signal: AbortSignal,
): Promise<string> {
  const { credential, repository } = options;
  const basic = credential === undefined ? undefined : basicOf(credential);
  if (challenge?.scheme === "bearer") {
    const url = new URL(challenge.realm);
    if (challenge.service !== undefined) url.searchParams.set("service", challenge.service);
    url.searchParams.set("scope", challenge.scope ?? `repository:${repository}:pull`);
    const headers: Record<string, string> = {};
    if (basic !== undefined) headers["authorization"] = basic;
    return tokenFrom(options, url, headers, signal);
  }
  if (challenge?.scheme === "basic" && basic !== undefined) return basic;
  throw denied(options);
}

async function tokenFrom(
  options: RepositoryOptions,
  url: URL,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<string> {
  const { isInsecure } = options.endpoint;
  const response = await registryGet({ url: url.href, headers, isInsecure }, signal);
  if (response.status !== 200) {
    await response.body?.cancel();
    throw response.status === 400 ? denied(options) : failureOf(options, response);
  }
  const text = new TextDecoder().decode(await bodyOf(response, TOKEN_MAX_BYTES));
  const answer = tokenAnswer.safeParse(jsonOf(text));
  const token = answer.data?.token ?? answer.data?.access_token;
  if (token === undefined || !/^[\x21-\x7e]+$/.test(token)) {
    throw new FksError("Unavailable", `the token server ${url.host} gave no token`);
  }
  return `Bearer ${token}`;
}

function failureOf(options: RepositoryOptions, response: Response): FksError {
  const { registry, repository, clock } = options;
  const { status } = response;
  if (status === 401 || status === 403) return denied(options);
  if (status === 404) {
    return new FksError("NotFound", `registry ${registry} has no such image in ${repository}`);
  }
  const answered = `registry ${registry} answered ${status}`;
  if (status !== 429 && status !== 408 && status < 500) {
    return new FksError("InvalidInput", answered);
  }
  const retryAfterMs = retryAfterOf(response.headers.get("retry-after"), clock.now());
  const message = status === 429 ? `${answered}: too many requests` : answered;
  return new FksError("Unavailable", message, retryAfterMs === undefined ? {} : { retryAfterMs });
}

function denied({ registry, repository, credential }: RepositoryOptions): FksError {
  const as = credential === undefined ? "without credentials" : `as ${credential.username}`;
  return new FksError(
    "Unauthorized",
    `registry ${registry}: pull access denied for ${repository} ${as}: repository does not exist or may require authorization`,
  );
}

/** Seconds, or a date. */
function retryAfterOf(header: string | null, nowMs: number): number | undefined {
  if (header === null) return undefined;
  const delayMs = /^[0-9]+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - nowMs;
  return Number.isFinite(delayMs) ? Math.max(0, delayMs) : undefined;
}

function basicOf({ username, password }: PullCredential): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
