import { type Config, type Environment, environmentFor } from "./config.ts";

/** Read by the runtime or by the programs we start, never meant for them by whoever started us. */
const FOREIGN = /^(BUN_|NODE_|FKS_|KINE_|KUBE|AWS_)/;

/**
 * Bun runs 256 fetches at once and lets the others wait without end, leases and watches among them:
 * as many people who follow a log would take the Nodes down. This is the most it takes.
 */
const FETCHES_AT_ONCE = "65336";

/** What a role inherits: our environment without its traps, and the configuration as we parsed it. */
export function roleEnvironment(
  env: Environment,
  config: Config,
  ownHosts: readonly string[],
): Record<string, string> {
  const kept = Object.entries(env).flatMap(([name, value]) =>
    value === undefined || FOREIGN.test(name) ? [] : [[name, value] as const],
  );
  const debug = env["FKS_DEBUG"];
  return {
    ...Object.fromEntries(kept),
    ...environmentFor(config),
    BUN_CONFIG_MAX_HTTP_REQUESTS: FETCHES_AT_ONCE,
    ...(debug === undefined ? {} : { FKS_DEBUG: debug }),
    ...withoutProxyFor(env, ownHosts),
  };
}

/** A proxy is for image registries and Fly; our own addresses are never reached through it. */
export function withoutProxyFor(
  env: Environment,
  ownHosts: readonly string[],
): { readonly NO_PROXY: string; readonly no_proxy: string } {
  const before = env["NO_PROXY"] ?? env["no_proxy"] ?? "";
  const hosts = ["localhost", "127.0.0.1", "::1", ...ownHosts];
  const both = hosts.flatMap((host) => (host.includes(":") ? [host, `[${host}]`] : [host]));
  const list = [...before.split(",").filter((host) => host !== ""), ...both].join(",");
  return { NO_PROXY: list, no_proxy: list };
}
