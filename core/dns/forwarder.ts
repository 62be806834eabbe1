import { FksError } from "../errors.ts";
import type { Clock } from "../ports/clock.ts";
import type { Resolver } from "../ports/resolver.ts";
import { type KeptAnswers, keptAnswers } from "./kept-answers.ts";
import { decode, type Edns, type Message, type Question, RCODE } from "./message.ts";
import { canonical } from "./name.ts";
import { queryFor, UDP_MAX_BYTES } from "./respond.ts";

/** Asks others, and remembers what they said. */
export interface Forwarder {
  /** What is remembered and still good; "failed": nobody answered just now. */
  known(question: Question, wantsSignatures: boolean): Message | "failed" | undefined;
  /**
   * What others say. Whoever asks the same meanwhile shares the answer, so a question that comes
   * back to us in a loop asks nobody again. Throws FksError `Unavailable` when nobody answers, or
   * when too many questions wait already.
   */
  ask(question: Question, wantsSignatures: boolean, signal: AbortSignal): Promise<Message>;
  /** How many questions wait for others. */
  readonly waiting: () => number;
}

interface ForwarderOptions {
  readonly resolver: Resolver;
  readonly clock: Clock;
}

const WAITING_MAX = 512;
/** After a failure nobody is asked the same for so long. Source: RFC 9520, section 3.2. */
const FAILURE_MS = 2_000;

export function forwarder({ resolver, clock }: ForwarderOptions): Forwarder {
  const kept: KeptAnswers = keptAnswers(clock);
  const asked = new Map<string, Promise<Message>>();
  const failures = new Map<string, { readonly untilMs: number; readonly error: FksError }>();

  async function askOthers(question: Question, wantsSignatures: boolean, signal: AbortSignal) {
    const name = canonical(question.name);
    const edns: Edns = { udpBytes: UDP_MAX_BYTES, version: 0, upperRcode: 0, wantsSignatures };
    const plain = { ...question, name };
    const bytes = await resolver.ask(queryFor(plain, edns), signal);
    const answer = messageIn(bytes);
    // It does not speak EDNS.
    const isTooOld = answer.rcode === RCODE.formErr || answer.rcode === RCODE.notImp;
    return isTooOld ? messageIn(await resolver.ask(queryFor(plain, undefined), signal)) : answer;
  }

  async function settle(key: string, asking: Promise<Message>): Promise<Message> {
    try {
      const answer = await asking;
      const isAnswer = answer.rcode === RCODE.noError || answer.rcode === RCODE.nxDomain;
      const stale = isAnswer ? undefined : kept.stale(key);
      if (stale !== undefined) return stale;
      kept.keep(key, answer);
      return answer;
    } catch (error) {
      if (!(error instanceof FksError)) throw error;
      remember(key, error);
      return orStale(key, error);
    } finally {
      asked.delete(key);
    }
  }

  /** Of an attempt that is too young to be made again. */
  function failureOf(key: string): FksError | undefined {
    const failure = failures.get(key);
    return failure !== undefined && failure.untilMs > clock.now() ? failure.error : undefined;
  }

  /** An old answer is better than none. */
  function orStale(key: string, error: FksError): Message {
    const stale = kept.stale(key);
    if (stale === undefined) throw error;
    return stale;
  }

  function remember(key: string, error: FksError): void {
    const nowMs = clock.now();
    failures.delete(key);
    failures.set(key, { untilMs: nowMs + FAILURE_MS, error });
    for (const [old, { untilMs }] of failures) {
      if (untilMs > nowMs && failures.size <= WAITING_MAX) return;
      failures.delete(old);
    }
  }

  return {
    known(question, wantsSignatures) {
      const key = keyOf(question, wantsSignatures);
      const failed = failureOf(key) === undefined ? undefined : (kept.stale(key) ?? "failed");
      return kept.fresh(key) ?? failed;
    },
    waiting: () => asked.size,
    async ask(question, wantsSignatures, signal) {
      const key = keyOf(question, wantsSignatures);
      const known = kept.fresh(key) ?? asked.get(key);
      if (known !== undefined) return known;
      const failure = failureOf(key);
      if (failure !== undefined) return orStale(key, failure);
      if (asked.size >= WAITING_MAX) {
        throw new FksError("Unavailable", `${WAITING_MAX} questions wait for the host's resolvers`);
      }
      const answer = settle(key, askOthers(question, wantsSignatures, signal));
      asked.set(key, answer);
      return answer;
    },
  };
}

function keyOf({ name, type, class: of }: Question, wantsSignatures: boolean): string {
  return `${canonical(name)} ${type} ${of} ${wantsSignatures ? 1 : 0}`;
}

function messageIn(bytes: Uint8Array): Message {
  const decoded = decode(bytes);
  if (decoded.kind === "message") return decoded.message;
  throw new FksError("Unavailable", "a resolver's answer cannot be read");
}
