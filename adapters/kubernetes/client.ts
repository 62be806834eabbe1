import { FksError } from "#core/errors.ts";
import type { Clock } from "#core/ports/clock.ts";
import { type Decode, type List, listPageFrom } from "./decode.ts";
import { answerErrorFor, unreachable } from "./errors.ts";
import { linesOf } from "./lines.ts";
import { type WatchEvent, watchEventFrom } from "./watch-event.ts";

const CALL_TIMEOUT_MS = 30_000;
const PAGE_LIMIT = 500;
/** The API server sends a bookmark about once a minute; a longer silence is a dead connection. */
const WATCH_SILENCE_MS = 150_000;
const WATCH_TIMEOUT_SECONDS = 420;

export type Credentials =
  | { readonly cert: string; readonly key: string }
  | { readonly token: string };

export type Query = Readonly<Record<string, string>>;

export interface KubernetesClientOptions {
  /** `https://…`, no path. */
  readonly server: string;
  /** PEM of the CA that signs the server's certificate; it replaces the host's trust store. */
  readonly ca?: string;
  /** Asked before every call; another object means a rotation: a new session is opened. */
  readonly credentials?: () => Credentials;
  readonly clock: Clock;
}

export interface PatchRequest {
  readonly path: string;
  readonly type: "merge-patch" | "strategic-merge-patch" | "apply-patch";
  readonly body: object;
}

export interface RemoveOptions {
  readonly uid?: string;
  readonly gracePeriodSeconds?: number;
}

/**
 * The API server as one identity sees it. No method retries. All may throw FksError
 * `Unauthorized`, `Forbidden`, `RateLimited`, `Unavailable`; an answer that is not the API
 * server's own is `Unavailable` too, so that a proxy's 404 never proves that an object is gone.
 */
export interface KubernetesClient {
  /** Throws `NotFound`. */
  get<T>(path: string, decode: Decode<T>, signal: AbortSignal): Promise<T>;
  /** All pages of one consistent list. Complete, or it throws. */
  list<T>(path: string, query: Query, decode: Decode<T>, signal: AbortSignal): Promise<List<T>>;
  /** Throws `Conflict` when the name is taken, `NotFound` when the namespace is not there. */
  create<T>(path: string, body: object, decode: Decode<T>, signal: AbortSignal): Promise<T>;
  /** Throws `NotFound`; `Conflict` for another UID or resourceVersion; `InvalidInput`. */
  patch<T>(request: PatchRequest, decode: Decode<T>, signal: AbortSignal): Promise<T>;
  /** Throws `NotFound`, and `Conflict` when the UID is another. */
  remove(path: string, options: RemoveOptions, signal: AbortSignal): Promise<void>;
  /** What happens after `query.resourceVersion`; ends when the API server closes the watch. */
  watch<T>(
    path: string,
    query: Query,
    decode: Decode<T>,
    signal: AbortSignal,
  ): AsyncGenerator<WatchEvent<T>>;
  close(): void;
}

/** A thin client on fetch: one pool of connections for one identity, JSON only. */
export function kubernetesClient(options: KubernetesClientOptions): KubernetesClient {
  const { clock, server } = options;
  const session = sessionOf(options);

  const call = async (path: string, init: BunFetchRequestInit, signal: AbortSignal) => {
    const deadline = AbortSignal.any([signal, clock.timeout(CALL_TIMEOUT_MS)]);
    try {
      const response = await session.fetch(server + path, { ...init, signal: deadline });
      const body = await response.text();
      return { status: response.status, headers: response.headers, body };
    } catch (error) {
      signal.throwIfAborted();
      throw unreachable(error);
    }
  };

  const json = async (path: string, init: BunFetchRequestInit, signal: AbortSignal) => {
    const answer = await call(path, init, signal);
    if (answer.status >= 300) throw answerErrorFor(answer.status, answer.headers, answer.body);
    return parsed(answer.body);
  };

  return {
    async get(path, decode, signal) {
      return decode(await json(path, {}, signal));
    },
    async list(path, query, decode, signal) {
      const items = [];
      let next = "";
      for (;;) {
        const page = {
          ...query,
          limit: `${PAGE_LIMIT}`,
          ...(next === "" ? {} : { continue: next }),
        };
        const { list, resourceVersion, rest } = listPageFrom(
          await json(withQuery(path, page), {}, signal),
        );
        for (const item of list) items.push(decode(item));
        if (rest === "") return { items, resourceVersion };
        next = rest;
      }
    },
    async create(path, body, decode, signal) {
      const init = { method: "POST", ...jsonBody("application/json", body) };
      return decode(await json(path, init, signal));
    },
    async patch({ path, type, body }, decode, signal) {
      const media = type === "apply-patch" ? "apply-patch+yaml" : `${type}+json`;
      const init = { method: "PATCH", ...jsonBody(`application/${media}`, body) };
      return decode(await json(path, init, signal));
    },
    async remove(path, { uid, gracePeriodSeconds }, signal) {
      const body = {
        apiVersion: "v1",
        kind: "DeleteOptions",
        ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
        ...(uid === undefined ? {} : { preconditions: { uid } }),
      };
      await json(path, { method: "DELETE", ...jsonBody("application/json", body) }, signal);
    },
    watch(path, query, decode, signal) {
      const url = withQuery(path, {
        ...query,
        watch: "true",
        allowWatchBookmarks: "true",
        timeoutSeconds: `${WATCH_TIMEOUT_SECONDS}`,
      });
      return watchEvents({ session, url: server + url, clock }, decode, signal);
    },
    close: () => session.close(),
  };
}

interface WatchSource {
  readonly session: Session;
  readonly url: string;
  readonly clock: Clock;
}

async function* watchEvents<T>(
  source: WatchSource,
  decode: Decode<T>,
  signal: AbortSignal,
): AsyncGenerator<WatchEvent<T>> {
  const ended = new AbortController();
  const watchdog = silenceWatchdog(source.clock, ended);
  try {
    const both = AbortSignal.any([signal, ended.signal]);
    // `timeout: false`: fetch itself would end a watch that is quiet for five minutes.
    const response = await source.session.fetch(source.url, { signal: both, timeout: false });
    if (response.status === 410) {
      yield { type: "EXPIRED" };
      return;
    }
    if (response.status !== 200 || response.body === null) {
      throw answerErrorFor(response.status, response.headers, await response.text());
    }
    for await (const line of linesOf(response.body, () => watchdog.heard())) {
      yield watchEventFrom(parsed(line), decode);
    }
  } catch (error) {
    signal.throwIfAborted();
    throw error instanceof FksError ? error : unreachable(error);
  } finally {
    ended.abort(new Error("the watch is over"));
  }
}

/** Aborts `ended` when nothing was heard for too long: a half-open connection gives no error. */
function silenceWatchdog(clock: Clock, ended: AbortController): { heard(): void } {
  let heardAt = clock.now();
  const look = (): void => {
    const quietMs = clock.now() - heardAt;
    if (quietMs >= WATCH_SILENCE_MS) ended.abort(new Error("the watch went silent"));
    else clock.after(WATCH_SILENCE_MS - quietMs, look, ended.signal);
  };
  clock.after(WATCH_SILENCE_MS, look, ended.signal);
  return {
    heard: () => {
      heardAt = clock.now();
    },
  };
}

interface Session {
  fetch(url: string, init: BunFetchRequestInit): Promise<Response>;
  close(): void;
}

/** One pool of connections per identity; a rotated identity gets a new one. */
function sessionOf({ ca, credentials }: KubernetesClientOptions): Session {
  let held: Credentials | undefined;
  let session: Bun.FetchSession | undefined;
  const current = (): { session: Bun.FetchSession; headers: Record<string, string> } => {
    const wanted = credentials?.();
    if (session === undefined || wanted !== held) {
      session?.close();
      session = new Bun.FetchSession({ tls: tlsFor(ca, wanted) });
      held = wanted;
    }
    const token = wanted !== undefined && "token" in wanted ? wanted.token : undefined;
    return { session, headers: token === undefined ? {} : { authorization: `Bearer ${token}` } };
  };

  return {
    fetch(url, init) {
      const now = current();
      const headers = { accept: "application/json", ...now.headers, ...contentType(init) };
      return now.session.fetch(url, { ...init, headers });
    },
    close: () => session?.close(),
  };
}

function contentType({ headers }: BunFetchRequestInit): Record<string, string> {
  const type = new Headers(headers).get("content-type");
  return type === null ? {} : { "content-type": type };
}

function tlsFor(ca: string | undefined, credentials: Credentials | undefined) {
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(credentials !== undefined && "cert" in credentials
      ? { cert: credentials.cert, key: credentials.key }
      : {}),
  };
}

function jsonBody(
  type: string,
  body: object,
): { headers: { "content-type": string }; body: string } {
  return { headers: { "content-type": type }, body: JSON.stringify(body) };
}

function withQuery(path: string, query: Query): string {
  const text = new URLSearchParams(query).toString();
  return text === "" ? path : `${path}?${text}`;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new FksError("Unavailable", "the API server answered with something that is not JSON", {
      cause,
    });
  }
}
