import ipaddr from "ipaddr.js";

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The proxy that the environment wants for `url`; undefined for none. Pure.
 *
 * The same variables, in the same spellings, as `fetch` reads from the process's own environment:
 * lower case first, `ALL_PROXY` last, other kinds than HTTP proxies ignored; `NO_PROXY` lists
 * hosts, domains, addresses and ranges of them, each with a port or without.
 */
export function proxyFor(url: URL, env: Environment): URL | undefined {
  const scheme = url.protocol === "https:" ? "https_proxy" : "http_proxy";
  const text = variable(env, scheme) || variable(env, "all_proxy");
  if (text === "" || isExcepted(url, variable(env, "no_proxy"))) return undefined;
  // `proxy:3128` is how many people write it.
  const withScheme = text.includes("://") ? text : `http://${text}`;
  if (!URL.canParse(withScheme)) return undefined;
  const proxy = new URL(withScheme);
  return /^https?:$/.test(proxy.protocol) ? proxy : undefined;
}

function variable(env: Environment, name: string): string {
  return env[name] || env[name.toUpperCase()] || "";
}

function isExcepted(url: URL, list: string): boolean {
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  const host = url.hostname.replace(/^\[|\]$/g, "").toLowerCase();
  return list
    .toLowerCase()
    .split(/[\s,]+/)
    .some((entry) => entry !== "" && covers(entry, host, port));
}

function covers(entry: string, host: string, port: string): boolean {
  if (entry === "*") return true;
  const [, bracketed, plain = "", entryPort] =
    /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(entry) ?? [];
  if (entryPort !== undefined && entryPort !== port) return false;
  // Without brackets an IPv6 address has no port.
  const wanted = bracketed ?? (plain || entry);
  if (ipaddr.isValid(host)) return coversAddress(wanted, host);
  const domain = wanted.replace(/^\*?\./, "");
  return host === domain || host.endsWith(`.${domain}`);
}

function coversAddress(wanted: string, host: string): boolean {
  const address = ipaddr.process(host);
  if (ipaddr.isValid(wanted)) {
    return ipaddr.process(wanted).toNormalizedString() === address.toNormalizedString();
  }
  if (!ipaddr.isValidCIDR(wanted)) return false;
  const [range, bits] = ipaddr.parseCIDR(wanted);
  return range.kind() === address.kind() && address.match(range, bits);
}
