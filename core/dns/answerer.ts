import { FksError } from "../errors.ts";
import type { Clock } from "../ports/clock.ts";
import type { Log } from "../ports/log.ts";
import { answerCache } from "./answer-cache.ts";
import type { Forwarder } from "./forwarder.ts";
import type { LoopProbes } from "./loop-probes.ts";
import type { Message } from "./message.ts";
import type { Name } from "./name.ts";
import type { RateLimit } from "./rate-limit.ts";
import { failure, passedOn, type Response, respond, type Transport } from "./respond.ts";
import type { Zone } from "./zone.ts";

/** Queries in, replies out. */
export interface Answerer {
  /**
   * Writes the reply to a query of `client` (an address) into `into`, which has room for the largest
   * of this transport, and gives its length, 0 for none. A promise when others must be asked first:
   * `query` and `into` may be used again at once.
   */
  answer(
    query: Uint8Array,
    transport: Transport,
    client: string,
    into: Uint8Array,
  ): number | Promise<Uint8Array>;
  readonly counts: AnswerCounts;
}

/** How many queries came, and what became of them. */
export interface AnswerCounts {
  queries: number;
  /** Answered from bytes that were made before. */
  repeated: number;
  /** Answered with what others said, before or now. */
  forwarded: number;
  /** Others were to be asked and did not answer. */
  failed: number;
  /** Not answered: the client asks too much. */
  limited: number;
  /** Not answered: no query. */
  ignored: number;
}

export interface AnswererOptions {
  readonly zone: Zone;
  /** The domains that a client at this address puts behind names. */
  readonly searchesOf: (client: string) => readonly Name[];
  readonly forwarder: Forwarder;
  readonly probes: Pick<LoopProbes, "caught">;
  readonly limit: RateLimit;
  readonly clock: Clock;
  readonly log: Log;
}

type Ask = Extract<Response, { kind: "ask" }>;

/** Queries of one client that wait for others' answers; beyond it the answer is SERVFAIL at once. */
const WAITING_PER_CLIENT_MAX = 128;
/** A client that asks too much is named once in so long. */
const NAMED_EVERY_MS = 60_000;

/** `signal` ends what still waits for others. */
export function answerer(options: AnswererOptions, signal: AbortSignal): Answerer {
  const { zone, searchesOf, forwarder, probes, limit, clock, log } = options;
  const cache = answerCache();
  const waiting = new Map<string, number>();
  const counts = { queries: 0, repeated: 0, forwarded: 0, failed: 0, limited: 0, ignored: 0 };
  let turn = 0;
  let namedAtMs = Number.NEGATIVE_INFINITY;

  function limited(client: string): number {
    counts.limited += 1;
    const nowMs = clock.now();
    if (nowMs - namedAtMs < NAMED_EVERY_MS) return 0;
    namedAtMs = nowMs;
    log.warn("a client asks too much and is not always answered", { client });
    return 0;
  }

  function asked(ask: Ask, transport: Transport, client: string, into: Uint8Array) {
    if (probes.caught(ask.target)) return written(failed(ask, transport), into);
    const wantsSignatures = ask.query.edns?.wantsSignatures === true;
    const known = forwarder.known(ask.target, wantsSignatures);
    if (known === "failed") return written(failed(ask, transport), into);
    if (known !== undefined) {
      counts.forwarded += 1;
      return written(passedOn(ask, known, transport), into);
    }
    const others = waiting.get(client) ?? 0;
    if (others >= WAITING_PER_CLIENT_MAX) return written(failed(ask, transport), into);
    waiting.set(client, others + 1);
    return later(ask, transport, wantsSignatures).finally(() => {
      const rest = (waiting.get(client) ?? 1) - 1;
      if (rest === 0) waiting.delete(client);
      else waiting.set(client, rest);
    });
  }

  async function later(
    ask: Ask,
    transport: Transport,
    wantsSignatures: boolean,
  ): Promise<Uint8Array> {
    try {
      const theirs: Message = await forwarder.ask(ask.target, wantsSignatures, signal);
      counts.forwarded += 1;
      return passedOn(ask, theirs, transport);
    } catch (error) {
      if (!(error instanceof FksError) && !signal.aborted) throw error;
      log.debug("a question to others failed", { err: error });
      return failed(ask, transport);
    }
  }

  function failed({ query, otherwise }: Ask, transport: Transport): Uint8Array {
    counts.failed += 1;
    return otherwise ?? failure(query, transport);
  }

  return {
    counts,
    answer(query, transport, client, into) {
      counts.queries += 1;
      if (!limit.allows(client, clock.now())) return limited(client);
      turn = (turn + 1) & 0xffff;
      const length = transport === "udp" ? cache.read(query, turn, into) : 0;
      if (length > 0) {
        counts.repeated += 1;
        return length;
      }
      const searches = (): readonly Name[] => searchesOf(client);
      const response = respond(query, transport, zone, { turn, searches });
      if (response.kind === "silence") {
        counts.ignored += 1;
        return 0;
      }
      if (response.kind === "ask") return asked(response, transport, client, into);
      const { bytes, basis } = response;
      if (basis !== undefined && transport === "udp") cache.keep(query, bytes, basis);
      return written(bytes, into);
    },
  };
}

function written(bytes: Uint8Array, into: Uint8Array): number {
  into.set(bytes);
  return bytes.length;
}
