/** Where and how a registry is reached; everything by configuration, nothing by guessing. */
export interface RegistryAccess {
  /** Registries (host and port) that may be asked over plain HTTP, besides those on loopback. */
  readonly insecure: readonly string[];
  /** By registry: base URLs that are asked first, in order. */
  readonly mirrors: Readonly<Record<string, readonly string[]>>;
}

export interface Endpoint {
  /** No slash at the end. */
  readonly baseUrl: string;
  /** Credentials are for the registry itself, not for its mirrors. */
  readonly isMirror: boolean;
  /** True when plain HTTP was allowed: then redirects and token servers may use it too. */
  readonly isInsecure: boolean;
}

const HUB = "docker.io";
const HUB_HOST = "registry-1.docker.io";

/** Every place to ask for an image of `registry`, the best first. Pure. */
export function endpointsOf(registry: string, access: RegistryAccess): readonly Endpoint[] {
  const mirrors = (access.mirrors[registry] ?? []).map((url) => ({
    baseUrl: url.replace(/\/+$/, ""),
    isMirror: true,
    isInsecure: url.startsWith("http://"),
  }));
  const isInsecure = isLoopback(registry) || access.insecure.includes(registry);
  const host = registry === HUB ? HUB_HOST : registry;
  const baseUrl = `${isInsecure ? "http" : "https"}://${host}`;
  return [...mirrors, { baseUrl, isMirror: false, isInsecure }];
}

function isLoopback(registry: string): boolean {
  const host = registry.replace(/:[0-9]+$/, "");
  return host === "localhost" || host === "[::1]" || /^127(?:\.[0-9]{1,3}){3}$/.test(host);
}
