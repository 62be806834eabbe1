import { FksError, messageOf } from "#core/errors.ts";
import type { Clock } from "#core/ports/clock.ts";
import { watchdog } from "#core/watchdog.ts";
import { proxyFor } from "./proxy.ts";

/** How the web is reached from here. */
export interface Web {
  /** `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` are heeded. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly patience: Patience;
}

/** How long we wait for others. */
export interface Patience {
  /** Until a host has taken a connection; where packets are dropped nobody says so. */
  readonly connectMs: number;
  /** In which nothing at all comes, before an answer begins or within it. */
  readonly quietMs: number;
  /** Before what broke is tried again; doubled while nothing comes. */
  readonly retryMs: number;
}

/**
 * A release host answers within a second. Half a minute is for proxies that look through a file
 * before they pass its first byte on.
 */
export const PATIENCE: Patience = { connectMs: 5_000, quietMs: 30_000, retryMs: 1_000 };

export interface Answer extends AsyncDisposable {
  /** Who answered in the end, for sentences. */
  readonly host: string;
  readonly status: number;
  readonly headers: Headers;
  /** The body as it comes; fails with `Unavailable` when it breaks off or goes quiet. */
  readonly pieces: AsyncIterable<Uint8Array>;
}

interface Request {
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
}

const REDIRECTS_MAX = 5;
const RETRY_AFTER_MAX_MS = 10_000;

/**
 * One GET, redirects followed, though never from HTTPS to anything else. Resolves with whatever is
 * answered; every failure is a sentence that begins with the host.
 *
 * Throws FksError `Unavailable` when nobody answers, with `retryAfterMs` when asking again may help.
 */
export async function get(web: Web, request: Request, signal: AbortSignal): Promise<Answer> {
  let url = request.url;
  for (let hop = 0; hop <= REDIRECTS_MAX; hop += 1) {
    const answer = await answerOf(web, { ...request, url }, signal);
    const location = answer.headers.get("location");
    if (![301, 302, 303, 307, 308].includes(answer.status) || location === null) return answer;
    await answer[Symbol.asyncDispose]();
    url = redirected(url, location);
  }
  throw new FksError("Unavailable", `${request.url.host} redirects in a circle`);
}

/** Where a redirect leads: from HTTPS never to anything else. Throws FksError `Unavailable`. Pure. */
export function redirected(from: URL, location: string): URL {
  if (!URL.canParse(location, from.href)) {
    throw new FksError("Unavailable", `${from.host} redirects to what is no URL`);
  }
  const to = new URL(location, from);
  const isSafe = to.protocol === "https:" || (to.protocol === "http:" && from.protocol === "http:");
  if (isSafe) return to;
  throw new FksError(
    "Unavailable",
    `${from.host} redirects from ${from.protocol.slice(0, -1)} to ${to.protocol.slice(0, -1)}, which is not followed`,
  );
}

/** What an answer without the file means. */
export function refusalOf({ host, status, headers }: Answer, what: string, web: Web): FksError {
  if (status === 404) return new FksError("NotFound", `${host} has no ${what} (404)`);
  if (status === 407) {
    return new FksError("Unavailable", "the proxy wants another user name or password (407)");
  }
  const sentence = `${host} answers ${status} for ${what}`;
  if (status < 500 && status !== 429) return new FksError("Unavailable", sentence);
  const wantedMs = Number(headers.get("retry-after") ?? Number.NaN) * 1_000;
  const retryAfterMs = Number.isFinite(wantedMs) ? wantedMs : web.patience.retryMs;
  return new FksError(
    "Unavailable",
    sentence,
    retryAfterMs <= RETRY_AFTER_MAX_MS ? { retryAfterMs } : {},
  );
}

async function answerOf(
  { env, clock, patience }: Web,
  { url, headers }: Request,
  signal: AbortSignal,
): Promise<Answer> {
  const proxy = proxyFor(url, env);
  await requireConnection(proxy ?? url, nameOf(url, proxy), { clock, patience }, signal);

  const { quietMs } = patience;
  const dog = watchdog(clock, quietMs, signal);
  let response: Response;
  try {
    response = await fetch(url.href, {
      headers: { "user-agent": "fks-node", "accept-encoding": "identity", ...headers },
      redirect: "manual",
      decompress: false,
      timeout: false,
      // Chosen from `env` above; the process's own NO_PROXY has no say any more.
      proxy: proxy === undefined ? false : { url: proxy.href, respectNoProxy: false },
      signal: dog.signal,
    });
    dog.touch();
  } catch (error) {
    dog.stop();
    signal.throwIfAborted();
    if (dog.signal.aborted) {
      const sentence = `${url.host} takes connections but does not answer within ${quietMs / 1_000} s`;
      throw new FksError("Unavailable", sentence, { cause: error });
    }
    throw failureFor(error, nameOf(url, proxy), patience);
  }

  const body = response.body?.getReader();
  async function* pieces(): AsyncGenerator<Uint8Array> {
    for (let received = 0; ; received += 1) {
      const next = await body?.read().catch((error: unknown) => {
        signal.throwIfAborted();
        if (!dog.signal.aborted) throw failureFor(error, url.host, patience);
        // Who sends an empty answer once does it again; who stopped in the middle may go on.
        throw new FksError("Unavailable", `${url.host} sent nothing for ${quietMs / 1_000} s`, {
          cause: error,
          ...(received === 0 ? {} : { retryAfterMs: patience.retryMs }),
        });
      });
      if (next === undefined || next.done) return;
      dog.touch();
      yield next.value;
    }
  }
  return {
    host: url.host,
    status: response.status,
    headers: response.headers,
    pieces: pieces(),
    async [Symbol.asyncDispose]() {
      dog.stop();
      await body?.cancel().catch(() => {});
    },
  };
}

/**
 * `fetch` alone does not tell a host that takes no connection, which is given up soon, from one
 * that is slow to answer; a connection of our own does, and its failure says why.
 */
async function requireConnection(
  to: URL,
  name: string,
  { clock, patience }: Omit<Web, "env">,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted();
  const deadline = AbortSignal.any([signal, clock.timeout(patience.connectMs)]);
  const { promise: late, reject } = Promise.withResolvers<never>();
  deadline.addEventListener("abort", () => reject(deadline.reason), { once: true });
  const port = Number(to.port) || (to.protocol === "https:" ? 443 : 80);
  try {
    const hostname = to.hostname.replace(/^\[|\]$/g, "");
    // Ended when it opens, also when that is after we have given up.
    const connecting = Bun.connect({
      hostname,
      port,
      socket: { open: (s) => void s.end(), data() {} },
    });
    await Promise.race([connecting, late]);
  } catch (error) {
    signal.throwIfAborted();
    if (!deadline.aborted) throw failureFor(error, name, patience);
    const sentence = `${name} takes no connection within ${patience.connectMs / 1_000} s`;
    throw new FksError("Unavailable", sentence, { cause: error });
  }
}

/** Whoever we speak to first: the trouble is the proxy's when there is one. */
function nameOf(url: URL, proxy: URL | undefined): string {
  return proxy === undefined ? url.host : `the proxy ${proxy.host}`;
}

/** A failed connection as a sentence; the platform's own texts speak of other things. */
function failureFor(cause: unknown, name: string, { retryMs }: Patience): FksError {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  const is = (sentence: string, retryAfterMs?: number): FksError =>
    new FksError("Unavailable", `${name} ${sentence}`, {
      cause,
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    });

  if (/ENOTFOUND|EAI_|ENODATA|DNS/.test(code)) return is("cannot be resolved");
  if (code === "ECONNREFUSED") return is("refuses the connection");
  if (/UNREACH/.test(code)) return is("cannot be reached from here: there is no route to it");
  if (/ECONNRESET|EPIPE/.test(code)) return is("closed the connection", retryMs);
  if (code === "ERR_PROXY_TUNNEL") return is(`lets us not through: ${messageOf(cause)}`);
  if (code === "EPROTO") return is("does not speak TLS there");
  if (/CERT|SELF_SIGNED|ISSUER|VERIFY/.test(code)) {
    return is(
      `shows a certificate that is not trusted here (${code}); NODE_EXTRA_CA_CERTS names a file of further authorities`,
    );
  }
  return is(`cannot be reached: ${messageOf(cause)}`);
}
