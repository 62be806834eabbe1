import type { Message } from "#core/dns/message.ts";
import { failure, fitted, respond, type Transport } from "#core/dns/respond.ts";
import type { Zone } from "#core/dns/zone.ts";
import { FksError } from "#core/errors.ts";
import type { Log } from "#core/ports/log.ts";
import type { Resolver } from "#core/ports/resolver.ts";

/** Answers a query by calling `reply` once, now or later, or never. */
export type Answerer = (
  query: Uint8Array,
  transport: Transport,
  reply: (bytes: Uint8Array) => void,
) => void;

export interface AnswererOptions {
  /** Asked for every query. */
  readonly zone: () => Zone;
  readonly resolver: Resolver;
  readonly log: Log;
}

/** Queries that wait for others' answers; beyond it the answer is SERVFAIL at once. */
const FORWARDS_MAX = 512;

export function answerer({ zone, resolver, log }: AnswererOptions, signal: AbortSignal): Answerer {
  let turn = 0;
  let forwards = 0;

  async function forwarded(
    bytes: Uint8Array,
    query: Message,
    transport: Transport,
  ): Promise<Uint8Array> {
    forwards += 1;
    try {
      if (forwards > FORWARDS_MAX) return failure(query, transport);
      return fitted(await resolver.ask(bytes, signal), query, transport);
    } catch (error) {
      if (!(error instanceof FksError) && !signal.aborted) throw error;
      log.debug("forwarded query failed", { err: error });
      return failure(query, transport);
    } finally {
      forwards -= 1;
    }
  }

  return (bytes, transport, reply) => {
    turn = (turn + 1) % 0x1000_0000;
    const response = respond(bytes, transport, zone(), turn);
    if (response.kind === "reply") reply(response.bytes);
    if (response.kind === "forward") {
      // The socket may use its buffer again before the upstream answered.
      void forwarded(bytes.slice(), response.query, transport).then(reply);
    }
  };
}
