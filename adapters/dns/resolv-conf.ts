import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import type { Clock } from "#core/ports/clock.ts";

export interface Nameserver {
  readonly address: string;
  readonly port: number;
}

const PORT = 53;
/** As many as the C library asks. */
const SERVERS_MAX = 3;
const FRESH_MS = 5_000;

/**
 * The host's resolvers, read again when some seconds old: laptops change networks.
 * `own` addresses are left out, so that we never ask ourselves.
 */
export function hostNameservers(
  file: string,
  own: readonly string[],
  clock: Clock,
): () => readonly Nameserver[] {
  let servers: readonly Nameserver[] = [];
  let readAtMs = Number.NEGATIVE_INFINITY;

  return () => {
    if (clock.now() - readAtMs < FRESH_MS) return servers;
    readAtMs = clock.now();
    servers = nameserversIn(textOf(file)).filter(({ address }) => !own.includes(address));
    return servers;
  };
}

/** The `nameserver` lines of a resolv.conf. Pure. */
export function nameserversIn(text: string): readonly Nameserver[] {
  return text
    .split("\n")
    .map((line) => /^\s*nameserver\s+(\S+)/.exec(line)?.[1] ?? "")
    .filter((address) => isIP(address) !== 0)
    .slice(0, SERVERS_MAX)
    .map((address) => ({ address, port: PORT }));
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
