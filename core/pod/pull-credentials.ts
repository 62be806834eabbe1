import type { PullCredential } from "../fly/machine-protocol.ts";
import type { Pod } from "../kube/pod.ts";
import type { SecretView } from "../ports/cluster.ts";
import type { PodSources } from "./sources.ts";

interface PullCredentials {
  /** Longest path first, else in the order of the Pod's `imagePullSecrets`. */
  readonly credentials: readonly PullCredential[];
  /** Names of Secrets that are not there, or hold no credentials. */
  readonly unusable: readonly string[];
}

/**
 * What the Pod's `imagePullSecrets` say; the API server has put its ServiceAccount's there already.
 * Source: Kubernetes docs, "Images", and the two types of Docker Secrets in "Secrets".
 */
export function pullCredentialsFor(
  { spec }: Pod,
  { secrets }: Pick<PodSources, "secrets">,
): PullCredentials {
  const names = (spec.imagePullSecrets ?? []).map(({ name = "" }) => name);
  const found = names.map((name) => ({ name, credentials: credentialsIn(secrets.get(name)) }));
  return {
    credentials: found
      .flatMap(({ credentials = [] }) => credentials)
      .toSorted((a, b) => pathOf(b.match).length - pathOf(a.match).length),
    unusable: found.filter((one) => one.credentials === undefined).map(({ name }) => name),
  };
}

/** Undefined when there is no such Secret, or it is none for registries. No error tells a value. */
function credentialsIn(view: SecretView | undefined): readonly PullCredential[] | undefined {
  const json = objectIn(view?.data.get(".dockerconfigjson"));
  const hosts =
    json === undefined ? objectIn(view?.data.get(".dockercfg")) : objectOf(json["auths"]);
  if (hosts === undefined) return undefined;
  return Object.entries(hosts).flatMap(([host, entry]) => {
    const login = loginIn(objectOf(entry) ?? {});
    return login === undefined ? [] : [{ match: matchFor(host), ...login }];
  });
}

/** `auth` is `username:password` in base64 and wins. */
function loginIn(
  entry: Readonly<Record<string, unknown>>,
): Omit<PullCredential, "match"> | undefined {
  const { auth, username, password } = entry;
  if (typeof auth === "string" && auth !== "") {
    const text = textIn(auth) ?? "";
    const colon = text.indexOf(":");
    if (colon < 0) return undefined;
    return { username: text.slice(0, colon), password: text.slice(colon + 1) };
  }
  return typeof username === "string" && typeof password === "string"
    ? { username, password }
    : undefined;
}

/** Without scheme, and without the version that Docker writes behind the host. */
function matchFor(host: string): string {
  return host
    .replace(/^https?:\/\//, "")
    .replace(/^([^/]+)\/v[12](?=\/|$)/, "$1")
    .replace(/\/+$/, "");
}

function pathOf(match: string): string {
  const slash = match.indexOf("/");
  return slash < 0 ? "" : match.slice(slash);
}

function objectIn(base64: string | undefined): Readonly<Record<string, unknown>> | undefined {
  const text = base64 === undefined ? undefined : textIn(base64);
  if (text === undefined) return undefined;
  try {
    return objectOf(JSON.parse(text));
  } catch {
    return undefined;
  }
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? { ...value }
    : undefined;
}

function textIn(base64: string): string | undefined {
  try {
    return new TextDecoder().decode(Uint8Array.fromBase64(base64));
  } catch {
    return undefined;
  }
}
