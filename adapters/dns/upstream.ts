import { judged, withId } from "#core/dns/respond.ts";
import { FksError } from "#core/errors.ts";
import type { Clock } from "#core/ports/clock.ts";
import type { Resolver } from "#core/ports/resolver.ts";
import type { Nameserver } from "./resolv-conf.ts";
import { framed, queriesIn } from "./tcp.ts";

export interface UpstreamOptions {
  readonly servers: () => readonly Nameserver[];
  readonly clock: Clock;
  /** For each attempt; default 2 s. */
  readonly timeoutMs?: number;
}

/** Every server is asked this often before nobody answered. */
const ROUNDS = 2;

/**
 * Asks the host's resolvers, one after the other, over UDP and over TCP when an answer is too
 * large. Every query goes out under an id and from a port of its own, so that answers cannot be
 * forged without seeing it.
 */
export function upstreamResolver(options: UpstreamOptions): Resolver {
  const { servers, clock, timeoutMs = 2_000 } = options;

  async function attempt(
    server: Nameserver,
    query: Uint8Array,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    const deadline = AbortSignal.any([signal, clock.timeout(timeoutMs)]);
    const answer = await overUdp(server, query, deadline);
    return judged(answer, query) === "truncated" ? overTcp(server, query, deadline) : answer;
  }

  return {
    async ask(original, signal) {
      const asked = servers();
      const query = withId(original, randomId());
      let cause: unknown;
      for (const server of Array.from({ length: ROUNDS }, () => asked).flat()) {
        try {
          const answer = await attempt(server, query, signal);
          return withId(answer, ((original[0] ?? 0) << 8) | (original[1] ?? 0));
        } catch (error) {
          signal.throwIfAborted();
          cause = error;
        }
      }
      const message =
        asked.length === 0 ? "this host has no resolver" : "no resolver of this host answered";
      throw new FksError("Unavailable", message, { cause });
    },
  };
}

async function overUdp(
  server: Nameserver,
  query: Uint8Array,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const onAbort = (): void => reject(signal.reason);
  signal.throwIfAborted();
  const socket = await Bun.udpSocket({
    connect: { hostname: server.address, port: server.port },
    binaryType: "uint8array",
    socket: {
      data(_socket, answer) {
        if (judged(answer, query) !== "foreign") resolve(answer.slice());
      },
      error: (_socket, error) => reject(error),
    },
  });
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    socket.send(query);
    return await promise;
  } finally {
    signal.removeEventListener("abort", onAbort);
    socket.close();
  }
}

async function overTcp(
  server: Nameserver,
  query: Uint8Array,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const onAbort = (): void => reject(signal.reason);
  let incoming: Uint8Array = new Uint8Array(0);
  const socket = await Bun.connect({
    hostname: server.address,
    port: server.port,
    socket: {
      open: (opened) => {
        opened.write(framed(query));
      },
      data(_socket, piece) {
        incoming = Buffer.concat([incoming, piece]);
        const [answer] = queriesIn(incoming).queries;
        if (answer !== undefined && judged(answer, query) !== "foreign") resolve(answer);
      },
      close: () => reject(new Error("the resolver closed the connection")),
      error: (_socket, error) => reject(error),
    },
  });
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    signal.throwIfAborted();
    return await promise;
  } finally {
    signal.removeEventListener("abort", onAbort);
    socket.terminate();
  }
}

function randomId(): number {
  return crypto.getRandomValues(new Uint16Array(1))[0] ?? 0;
}
