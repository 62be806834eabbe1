import { X509Certificate } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { TLSSocket } from "node:tls";
import type { AccessReviews, Identity, RequestHeaderRules } from "#core/ports/reviews.ts";

interface IdentifyDeps {
  readonly clientCa: string;
  readonly requestHeader: RequestHeaderRules;
  readonly reviews: AccessReviews;
}

const UID_HEADER = "x-remote-uid";

/**
 * Who is calling: the one the API server names when the caller is the API server, else by client
 * certificate, else by bearer token. The headers of anybody else mean nothing.
 */
export async function identify(
  { clientCa, requestHeader, reviews }: IdentifyDeps,
  request: IncomingMessage,
  nowMs: number,
  signal: AbortSignal,
): Promise<Identity | undefined> {
  const certificate = certificateOf(request, nowMs);
  if (certificate !== undefined) {
    const { x509, user, groups } = certificate;
    const { allowedNames } = requestHeader;
    const mayBeProxy = allowedNames.length === 0 || allowedNames.includes(user);
    if (mayBeProxy && isSignedBy(x509, requestHeader.ca)) {
      return namedIn(request.rawHeaders, requestHeader);
    }
    return isSignedBy(x509, clientCa) ? { user, groups } : undefined;
  }
  const token = /^Bearer +([^\s]+)\s*$/i.exec(request.headers.authorization ?? "")?.[1];
  return token === undefined ? undefined : reviews.authenticate(token, signal);
}

interface Certificate {
  readonly x509: X509Certificate;
  readonly user: string;
  readonly groups: readonly string[];
}

/** One that the TLS library found signed by one of our CAs, and that is still good. */
function certificateOf({ socket }: IncomingMessage, nowMs: number): Certificate | undefined {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined;
  const { subject, raw, valid_to: validTo } = socket.getPeerCertificate();
  const user = subject?.CN;
  const isCurrent = Date.parse(validTo) >= nowMs;
  if (typeof user !== "string" || user === "" || !isCurrent) return undefined;
  const groups: string | readonly string[] = subject.O ?? [];
  return {
    x509: new X509Certificate(raw),
    user,
    groups: typeof groups === "string" ? [groups] : groups,
  };
}

/** Two CAs are trusted here, and only one of them may speak for others. */
function isSignedBy(certificate: X509Certificate, bundle: string): boolean {
  return certificatesIn(bundle).some(
    (ca) => certificate.checkIssued(ca) && certificate.verify(ca.publicKey),
  );
}

function certificatesIn(bundle: string): readonly X509Certificate[] {
  const blocks = bundle.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((pem) => new X509Certificate(pem));
}

/** `undefined` when no user is named. */
function namedIn(
  rawHeaders: readonly string[],
  { userHeaders, groupHeaders, extraPrefixes }: RequestHeaderRules,
): Identity | undefined {
  const headers: [name: string, value: string][] = [];
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    headers.push([(rawHeaders[index] ?? "").toLowerCase(), rawHeaders[index + 1] ?? ""]);
  }
  const valuesOf = (names: readonly string[]): readonly string[] => {
    const wanted = names.map((name) => name.toLowerCase());
    return headers.flatMap(([name, value]) => (wanted.includes(name) ? [value] : []));
  };
  const [user = ""] = valuesOf(userHeaders);
  if (user === "") return undefined;
  const [uid] = valuesOf([UID_HEADER]);
  const extra = extraIn(headers, extraPrefixes);
  return {
    user,
    groups: valuesOf(groupHeaders),
    ...(uid !== undefined && { uid }),
    ...(Object.keys(extra).length > 0 && { extra }),
  };
}

function extraIn(
  headers: readonly (readonly [name: string, value: string])[],
  prefixes: readonly string[],
): Record<string, string[]> {
  const extra: Record<string, string[]> = {};
  for (const [name, value] of headers) {
    const prefix = prefixes.find((candidate) => name.startsWith(candidate.toLowerCase()));
    if (prefix === undefined) continue;
    const key = unescaped(name.slice(prefix.length));
    extra[key] = [...(extra[key] ?? []), value];
  }
  return extra;
}

function unescaped(key: string): string {
  try {
    return decodeURIComponent(key);
  } catch {
    return key;
  }
}
