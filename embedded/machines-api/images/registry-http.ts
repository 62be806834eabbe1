import { FksError, messageOf } from "#core/errors.ts";

export interface RegistryRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Whether plain HTTP is allowed on the way. */
  readonly isInsecure: boolean;
}

const REDIRECTS_MAX = 6;

/**
 * One GET, redirects followed by hand: credentials go to the first host only, and the way never
 * leads from HTTPS to plain HTTP. Resolves with whatever was answered.
 * Throws FksError `Unavailable` when nobody answers.
 */
export async function registryGet(
  request: RegistryRequest,
  signal: AbortSignal,
): Promise<Response> {
  let url = new URL(request.url);
  let headers: Readonly<Record<string, string>> = request.headers;

  for (let hop = 0; hop <= REDIRECTS_MAX; hop += 1) {
    checkProtocol(url, request.isInsecure);
    const response = await answerOf(url, headers, signal);
    const location = response.headers.get("location");
    if (![301, 302, 303, 307, 308].includes(response.status) || location === null) return response;

    await response.body?.cancel();
    if (!URL.canParse(location, url.href)) {
      throw new FksError("Unavailable", `${url.host} redirects to "${location}", which is no URL`);
    }
    const next = new URL(location, url);
    if (next.origin !== url.origin) headers = without(headers, "authorization");
    url = next;
  }
  throw new FksError("Unavailable", `${url.host} redirects too often`);
}

/** A whole body of at most `maxBytes`. Throws `InvalidInput` when it is larger. */
export async function bodyOf(response: Response, maxBytes: number): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of piecesOf(response)) {
    length += piece.length;
    if (length > maxBytes) {
      throw new FksError("InvalidInput", `a registry sent more than ${maxBytes} bytes at once`);
    }
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

/** The body as it comes; a connection that breaks is `Unavailable`. */
export async function* piecesOf(response: Response): AsyncGenerator<Uint8Array> {
  if (response.body === null) return;
  const reader = response.body.getReader();
  try {
    for (;;) {
      const next = await reader.read().catch((error: unknown) => {
        throw transferError(error);
      });
      if (next.done) return;
      yield next.value;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

async function answerOf(
  url: URL,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<Response> {
  try {
    return await fetch(url.href, {
      headers: { "user-agent": "fks-node", "accept-encoding": "identity", ...headers },
      redirect: "manual",
      decompress: false,
      timeout: false,
      signal,
    });
  } catch (error) {
    signal.throwIfAborted();
    throw new FksError("Unavailable", `cannot reach ${url.host}: ${reasonOf(error)}`, {
      cause: error,
    });
  }
}

function checkProtocol(url: URL, isInsecure: boolean): void {
  if (url.protocol === "https:" || (url.protocol === "http:" && isInsecure)) return;
  throw new FksError(
    "Unavailable",
    `${url.host} would be asked over ${url.protocol.slice(0, -1)}, which is not allowed`,
  );
}

function transferError(error: unknown): unknown {
  if (error instanceof FksError) return error;
  if (error instanceof Error && error.name === "AbortError") return error;
  return new FksError("Unavailable", `the transfer broke: ${reasonOf(error)}`, { cause: error });
}

/** The cause of a failed connection in words; the platform's own texts speak of other things. */
function reasonOf(error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (code === "ConnectionRefused" || code === "ECONNREFUSED") return "connection refused";
  if (/resolve|ENOTFOUND|EAI_/i.test(code)) return "its name does not resolve";
  if (/CERT|SELF_SIGNED|ISSUER/.test(code)) return `its certificate is not trusted (${code})`;
  if (/ConnectionClosed|ECONNRESET/.test(code)) return "the connection was closed";
  return messageOf(error);
}

function without(
  headers: Readonly<Record<string, string>>,
  name: string,
): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(headers).filter(([key]) => key !== name));
}
