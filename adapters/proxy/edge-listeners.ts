import type { EdgeListener } from "#core/edge/edge-plan.ts";
import {
  type Endpoint,
  type Parties,
  proxyHeaderV1,
  proxyHeaderV2,
} from "#core/edge/proxy-protocol.ts";
import { FksError, messageOf } from "#core/errors.ts";
import { isInCidr } from "#core/fly/ip.ts";
import type { EdgeListeners } from "#core/ports/edge.ts";
import { type Destination, type TcpProxy, tcpProxy } from "./tcp-proxy.ts";

/** After so long what still uses a port that is given up is cut. */
const GRACE_MS = 30_000;
/** Endpoints that are tried for one connection. */
const TRIES = 3;

interface EdgeListenersOptions {
  readonly addresses: readonly string[];
  /** Who answers for a port of a Service now; each with every way to reach it, the best first. */
  readonly endpointsOf: (service: string, portName: string) => readonly (readonly Endpoint[])[];
}

export interface EdgeSockets extends EdgeListeners {
  connections(): number;
  close(): Promise<void>;
}

/** TCP listeners that pass connections on to the endpoint with the fewest of them. */
export function edgeListeners({ addresses, endpointsOf }: EdgeListenersOptions): EdgeSockets {
  const held = new Map<number, { readonly proxies: readonly TcpProxy[]; listener: EdgeListener }>();
  const load = new Map<string, number>();

  function choose(port: number, parties: Parties): Destination | undefined {
    const listener = held.get(port)?.listener;
    if (listener === undefined) return undefined;
    const { service, portName, sourceRanges, proxyProtocol } = listener;
    const { address } = parties.client;
    const isWelcome = sourceRanges.length === 0 || sourceRanges.some((it) => isInCidr(address, it));
    const endpoints = isWelcome ? endpointsOf(service, portName) : [];
    const loadOf = (ways: readonly Endpoint[]): number => load.get(keyOf(ways)) ?? 0;
    const ordered = rotated(endpoints).toSorted((a, b) => loadOf(a) - loadOf(b));
    const [first] = ordered;
    if (first === undefined) return undefined;
    const key = keyOf(first);
    load.set(key, (load.get(key) ?? 0) + 1);
    const header = proxyProtocol === "v1" ? proxyHeaderV1 : proxyHeaderV2;
    return {
      targets: ordered.slice(0, TRIES).flat(),
      ...(proxyProtocol && { preamble: header(parties) }),
      release() {
        const left = (load.get(key) ?? 1) - 1;
        if (left > 0) load.set(key, left);
        else load.delete(key);
      },
    };
  }

  function open(listener: EdgeListener): string | undefined {
    const { port } = listener;
    const proxies: TcpProxy[] = [];
    try {
      for (const hostname of addresses) {
        proxies.push(
          tcpProxy({ hostname, port, choose: async (parties) => choose(port, parties) }),
        );
      }
    } catch (error) {
      for (const proxy of proxies) void proxy.close(0);
      if (!(error instanceof FksError)) throw error;
      return messageOf(error);
    }
    held.set(port, { proxies, listener });
    return undefined;
  }

  async function letGo(port: number, graceMs: number): Promise<void> {
    const proxies = held.get(port)?.proxies ?? [];
    held.delete(port);
    await Promise.all(proxies.map((proxy) => proxy.close(graceMs)));
  }

  return {
    hold(listeners) {
      const failures = new Map<number, string>();
      for (const port of held.keys()) if (!listeners.has(port)) void letGo(port, GRACE_MS);
      for (const [port, listener] of listeners) {
        const known = held.get(port);
        if (known !== undefined) {
          known.listener = listener;
          continue;
        }
        const failure = open(listener);
        if (failure !== undefined) failures.set(port, failure);
      }
      return failures;
    },
    connections: () =>
      [...held.values()]
        .flatMap(({ proxies }) => proxies)
        .reduce((sum, proxy) => sum + proxy.connections(), 0),
    async close() {
      await Promise.all([...held.keys()].map((port) => letGo(port, 0)));
    },
  };
}

function keyOf([first]: readonly Endpoint[]): string {
  return `${first?.address} ${first?.port}`;
}

/** Begins anywhere, so that of equals each comes first as often. */
function rotated<T>(items: readonly T[]): readonly T[] {
  const start = Math.floor(Math.random() * items.length);
  return [...items.slice(start), ...items.slice(0, start)];
}
