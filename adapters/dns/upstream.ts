import type { LoopProbes } from "#core/dns/loop-probes.ts";
import { judged, queryFor, rcodeOf, withId } from "#core/dns/respond.ts";
import { FksError } from "#core/errors.ts";
import type { Clock } from "#core/ports/clock.ts";
import type { Resolver } from "#core/ports/resolver.ts";
import type { Nameserver } from "./resolv-conf.ts";
import { framed, queriesIn } from "./tcp.ts";

export interface UpstreamOptions {
  readonly servers: () => readonly Nameserver[];
  readonly probes: LoopProbes;
  readonly clock: Clock;
  /** For each attempt; default 2 s. */
  readonly timeoutMs?: number;
}

/** Every server is asked this often before nobody answered. */
const ROUNDS = 2;
/** For how many attempts' time a question is tried: most clients wait for 5 s. */
const ATTEMPTS_MAX = 2.25;
/** A server that did not answer is asked last for so long. */
const SILENT_MS = 10_000;
/** NOERROR and NXDOMAIN; another server may know better than who says anything else. */
const ANSWERS: readonly number[] = [0, 3];

/**
 * Asks the host's resolvers, one after the other, over UDP and over TCP when an answer is too
 * large. Every query goes out under an id and from a port of its own, so that answers cannot be
 * forged without seeing it. A resolver that asks us in turn is left out.
 */
export function upstreamResolver(options: UpstreamOptions): Resolver {
  const { servers, probes, clock, timeoutMs = 2_000 } = options;
  const silentUntilMs = new Map<string, number>();

  async function attempt(
    server: Nameserver,
    query: Uint8Array,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    const deadline = AbortSignal.any([signal, clock.timeout(timeoutMs)]);
    const answer = await overUdp(server, query, deadline);
    return judged(answer, query) === "truncated" ? overTcp(server, query, deadline) : answer;
  }

  /** Nobody waits for it: what matters is whether it comes back to us. */
  function probe(server: Nameserver, signal: AbortSignal): void {
    const question = probes.probe(nameOf(server));
    if (question === undefined) return;
    attempt(server, withId(queryFor(question, undefined), randomId()), signal).catch(() => {});
  }

  function inOrder(): readonly Nameserver[] {
    const able = servers().filter((server) => !probes.isLooping(nameOf(server)));
    const nowMs = clock.now();
    const silent = able.filter((server) => (silentUntilMs.get(nameOf(server)) ?? 0) > nowMs);
    return [...able.filter((server) => !silent.includes(server)), ...silent];
  }

  return {
    async ask(original, signal) {
      for (const server of servers()) probe(server, signal);
      const asked = inOrder();
      const query = withId(original, randomId());
      const untilMs = clock.now() + ATTEMPTS_MAX * timeoutMs;
      let refusal: Uint8Array | undefined;
      let cause: unknown;
      for (const server of Array.from({ length: ROUNDS }, () => asked).flat()) {
        if (clock.now() >= untilMs || probes.isLooping(nameOf(server))) continue;
        try {
          const answer = await attempt(server, query, signal);
          silentUntilMs.delete(nameOf(server));
          if (ANSWERS.includes(rcodeOf(answer))) return withId(answer, idOf(original));
          refusal ??= answer;
        } catch (error) {
          signal.throwIfAborted();
          silentUntilMs.set(nameOf(server), clock.now() + SILENT_MS);
          cause = error;
        }
      }
      if (refusal !== undefined) return withId(refusal, idOf(original));
      const message =
        servers().length === 0
          ? "this host has no resolver"
          : asked.length === 0
            ? "this host's resolvers ask us in turn"
            : "no resolver of this host answered";
      throw new FksError("Unavailable", message, { cause });
    },
  };
}

function nameOf({ address, port }: Nameserver): string {
  return `[${address}]:${port}`;
}

function idOf(message: Uint8Array): number {
  return ((message[0] ?? 0) << 8) | (message[1] ?? 0);
}

async function overUdp(
  server: Nameserver,
  query: Uint8Array,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const onAbort = (): void => reject(signal.reason);
  signal.throwIfAborted();
  const opening = Bun.udpSocket({
    connect: { hostname: server.address, port: server.port },
    binaryType: "uint8array",
    socket: {
      data(_socket, answer) {
        if (judged(answer, query) !== "foreign") resolve(answer.slice());
      },
      // Bun hands over the error alone, whatever its types say.
      error: (...given: readonly unknown[]) => reject(given.at(-1)),
    },
  });
  const socket = await beforeAbort(opening, (late) => late.close(), signal);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    signal.throwIfAborted();
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
  const opening = Bun.connect({
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
  const socket = await beforeAbort(opening, (late) => late.terminate(), signal);
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

/** What is opened, unless `signal` aborts first; then it is closed as soon as it is there. */
async function beforeAbort<T>(
  opening: Promise<T>,
  close: (late: T) => void,
  signal: AbortSignal,
): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([opening, promise]);
  } catch (error) {
    opening.then(close, () => {});
    throw error;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
