/** Which pull credentials are for an image, as the kubelet's keyring finds them. Pure. */
import type { PullCredential } from "#core/fly/machine-protocol.ts";
import type { Reference } from "./reference.ts";

const HUB = "docker.io";
const HUB_NAMES = [HUB, "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"];

/** Those that match, longest path first, else in the given order. */
export function credentialsFor(
  { registry, repository }: Pick<Reference, "registry" | "repository">,
  credentials: readonly PullCredential[],
): readonly PullCredential[] {
  return credentials
    .map((credential) => ({ credential, ...patternOf(credential.match) }))
    .filter(({ host, path }) => isHost(host, registry) && repository.startsWith(path))
    .toSorted((a, b) => b.path.length - a.path.length)
    .map(({ credential }) => credential);
}

/** `https://index.docker.io/v1/`, as Docker itself writes it, is a host without a path. */
function patternOf(match: string): { readonly host: string; readonly path: string } {
  const bare = match.replace(/^https?:\/\//, "");
  const [host = "", ...path] = bare.replace(/^([^/]+)\/v[12]\/?$/, "$1").split("/");
  return { host, path: path.join("/") };
}

/** `*` stands for any part of one label; the number of labels and the port are the same. */
function isHost(pattern: string, registry: string): boolean {
  if (registry === HUB) return HUB_NAMES.includes(pattern);
  const [labels, port] = splitHost(pattern);
  const [wanted, wantedPort] = splitHost(registry);
  return (
    port === wantedPort &&
    labels.length === wanted.length &&
    labels.every((label, index) => isLabel(label, wanted[index] ?? ""))
  );
}

function splitHost(host: string): readonly [readonly string[], string] {
  const [, name = "", port = ""] = /^(.*?)(?::(\d+))?$/.exec(host) ?? [];
  return [name.split("."), port];
}

function isLabel(pattern: string, label: string): boolean {
  const source = pattern
    .split("*")
    .map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&"))
    .join(".*");
  return new RegExp(`^${source}$`).test(label);
}
