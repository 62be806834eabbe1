import { readFile } from "node:fs/promises";
import { createSecureContext } from "node:tls";
import { FksError, messageOf } from "#core/errors.ts";
import type { HttpsProbe, ProbeResult, SingleProbe } from "#core/ports/processes.ts";

const REASON_MAX_LENGTH = 300;

/** Asks a child once whether it is ready. Never throws but for `signal`. */
export async function probeOnce(probe: SingleProbe, signal: AbortSignal): Promise<ProbeResult> {
  try {
    if (probe.kind === "unix-socket") return await connects(probe.path);
    const response = await ask(probe, signal);
    const text = await response.text();
    if (response.ok) return { outcome: "ready" };
    return { outcome: "unready", reason: reasonFor(response.status, text) };
  } catch (error) {
    if (signal.aborted) throw error;
    return { outcome: "silent", reason: sentenceFor(error) };
  }
}

async function connects(path: string): Promise<ProbeResult> {
  const socket = await Bun.connect({ unix: path, socket: { data() {} } });
  socket.end();
  return { outcome: "ready" };
}

async function ask(
  probe: Exclude<SingleProbe, { kind: "unix-socket" }>,
  signal: AbortSignal,
): Promise<Response> {
  // A pooled connection may belong to a predecessor of the child that runs now.
  const common = { signal, keepalive: false, redirect: "manual" } as const;
  return probe.kind === "http-on-unix-socket"
    ? fetch(`http://child${probe.target}`, { ...common, unix: probe.path })
    : fetch(probe.url, { ...common, ...(await proofsFor(probe)) });
}

/** What tells us who answers, and tells that one who asks. */
async function proofsFor({ ca, cert, key, basic }: HttpsProbe) {
  const password = await textOf(basic?.passwordFile);
  const pems = {
    ...(ca === undefined ? {} : { ca: await textOf(ca) }),
    ...(cert === undefined ? {} : { cert: await textOf(cert) }),
    ...(key === undefined ? {} : { key: await textOf(key) }),
  };
  requireReadable(pems);
  return {
    headers: basic === undefined ? {} : basicAuth(basic.user, password),
    // A password is for who has proved to be the one we mean.
    tls: { rejectUnauthorized: ca !== undefined || basic !== undefined, ...pems },
  };
}

/** Empty when no file is named. A first start makes its files late, and not at one stroke. */
async function textOf(path: string | undefined): Promise<string> {
  if (path === undefined) return "";
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    if (codeOf(error) !== "ENOENT") throw error;
    return "";
  });
  if (text === "") throw new FksError("NotFound", `has not written ${path} yet`);
  return text;
}

/** The runtime says of files it cannot use that nobody listens. */
function requireReadable(pems: Parameters<typeof createSecureContext>[0]): void {
  try {
    createSecureContext(pems);
  } catch (cause) {
    const text = `cannot be asked with these certificates: ${messageOf(cause)}`;
    throw new FksError("InvalidInput", text, { cause });
  }
}

function basicAuth(user: string, password: string): Readonly<Record<string, string>> {
  const credentials = Buffer.from(`${user}:${password.trim()}`).toString("base64");
  return { authorization: `Basic ${credentials}` };
}

/** What an answer other than yes means. */
function reasonFor(status: number, text: string): string {
  if (status === 401 || status === 403) return `refuses our credentials (${status})`;
  const reason = failedChecksIn(text) ?? wordsIn(text, status);
  return reason.replace(/[\p{Cc}\s]+/gu, " ").slice(0, REASON_MAX_LENGTH);
}

/** Kubernetes' parts list their checks, failed ones with `[-]`. */
function failedChecksIn(text: string): string | undefined {
  const failed = text
    .split("\n")
    .filter((line) => line.startsWith("[-]"))
    .map((line) => line.slice(3).split(" ")[0]);
  return failed.length === 0 ? undefined : `not ready: ${failed.join(", ")}`;
}

/** Our roles answer `{"reason": …}`, Kubernetes' parts a Status with a message, others a text. */
function wordsIn(text: string, status: number): string {
  const answer = objectIn(text);
  if (answer === undefined) {
    const [line = ""] = text.trim().split("\n");
    return line === "" ? `answers ${status}` : `answers ${status}: ${line}`;
  }
  const { kind, message, reason } = answer;
  if (kind === "Status" && typeof message === "string") return `answers ${status}: ${message}`;
  return typeof reason === "string" ? reason : `answers ${status}`;
}

function objectIn(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const answer: unknown = JSON.parse(text);
    return typeof answer === "object" && answer !== null ? { ...answer } : undefined;
  } catch {
    return undefined;
  }
}

const NOT_THERE = "does not listen yet";
const UNKNOWN_CA = "its certificate is not signed by the CA that it should be";

const SENTENCES: ReadonlyMap<string, string> = new Map([
  ["ENOENT", NOT_THERE],
  ["ECONNREFUSED", NOT_THERE],
  ["ConnectionRefused", NOT_THERE],
  ["FailedToOpenSocket", NOT_THERE],
  ["ECONNRESET", "closes the connection"],
  ["EPROTO", "the TLS handshake with it fails"],
  ["ERR_TLS_CERT_ALTNAME_INVALID", "its certificate is for another address"],
  ["CERT_HAS_EXPIRED", "its certificate has expired"],
  ["CERT_NOT_YET_VALID", "its certificate is not valid yet: is the clock right?"],
  ["SELF_SIGNED_CERT_IN_CHAIN", UNKNOWN_CA],
  ["DEPTH_ZERO_SELF_SIGNED_CERT", UNKNOWN_CA],
  ["UNABLE_TO_GET_ISSUER_CERT", UNKNOWN_CA],
  ["UNABLE_TO_GET_ISSUER_CERT_LOCALLY", UNKNOWN_CA],
  ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", UNKNOWN_CA],
  ["CERT_SIGNATURE_FAILURE", UNKNOWN_CA],
]);

function sentenceFor(error: unknown): string {
  return SENTENCES.get(codeOf(error)) ?? messageOf(error).slice(0, REASON_MAX_LENGTH);
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}
