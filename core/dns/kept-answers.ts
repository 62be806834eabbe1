import type { Clock } from "../ports/clock.ts";
import { type Message, RCODE } from "./message.ts";
import { type DnsRecord, TYPE, typeOf } from "./record.ts";

/** Others' answers, for as long as they said these are good. */
export interface KeptAnswers {
  /** As it was kept, with what is left of its time. */
  fresh(key: string): Message | undefined;
  /** One whose time is over, for when there is no other. Source: RFC 8767. */
  stale(key: string): Message | undefined;
  /** Keeps an answer unless it may not be kept. */
  keep(key: string, answer: Message): void;
}

interface Kept {
  readonly answer: Message;
  readonly keptAtMs: number;
  readonly goodForS: number;
  readonly records: number;
}

const ANSWERS_MAX = 10_000;
/** Together; a record takes about 300 bytes. */
const RECORDS_MAX = 100_000;
const POSITIVE_MAX_S = 3_600;
/** Source: RFC 2308, section 5: one to three hours at most. */
const NEGATIVE_MAX_S = 1_800;
/** An answer that is no answer, such as SERVFAIL. Source: RFC 9520, section 3.2. */
const FAILURE_S = 2;
const STALE_MAX_S = 3_600;
const STALE_TTL_S = 30;

export function keptAnswers(clock: Clock): KeptAnswers {
  const kept = new Map<string, Kept>();
  let records = 0;

  function drop(key: string): void {
    records -= kept.get(key)?.records ?? 0;
    kept.delete(key);
  }

  function ageOf({ keptAtMs }: Kept): number {
    return Math.floor((clock.now() - keptAtMs) / 1_000);
  }

  return {
    fresh(key) {
      const found = kept.get(key);
      if (found === undefined || ageOf(found) >= found.goodForS) return undefined;
      const ageS = ageOf(found);
      return withTtls(found.answer, (ttlS) => Math.max(0, Math.min(ttlS, found.goodForS) - ageS));
    },
    stale(key) {
      const found = kept.get(key);
      if (found === undefined || ageOf(found) > found.goodForS + STALE_MAX_S) return undefined;
      return withTtls(found.answer, () => STALE_TTL_S);
    },
    keep(key, answer) {
      const goodForS = goodFor(answer);
      // A failure is not worth an old answer.
      if (goodForS <= 0) return;
      drop(key);
      const count = answer.answers.length + answer.authorities.length + answer.additionals.length;
      kept.set(key, { answer, keptAtMs: clock.now(), goodForS, records: count + 1 });
      records += count + 1;
      for (const oldest of kept.keys()) {
        if (kept.size <= ANSWERS_MAX && records <= RECORDS_MAX) return;
        drop(oldest);
      }
    },
  };
}

/** Seconds an answer may be kept for; 0: not at all. */
function goodFor({ rcode, answers, authorities, isTruncated }: Message): number {
  if (isTruncated) return 0;
  if (rcode !== RCODE.noError && rcode !== RCODE.nxDomain) return FAILURE_S;
  const ttls = answers.map(({ ttlS }) => ttlS);
  const isPositive =
    rcode === RCODE.noError && answers.some(({ data }) => typeOf(data) !== TYPE.CNAME);
  if (isPositive) return Math.min(POSITIVE_MAX_S, ...ttls);
  const soa = authorities.flatMap(({ ttlS, data }) =>
    data.type === "SOA" ? [Math.min(ttlS, data.minimumS)] : [],
  );
  // Who says "there is none" without saying for how long is asked again. Source: RFC 2308, section 5.
  return soa.length === 0 ? 0 : Math.min(NEGATIVE_MAX_S, ...soa, ...ttls);
}

function withTtls(message: Message, ttlFor: (ttlS: number) => number): Message {
  const aged = (records: readonly DnsRecord[]): readonly DnsRecord[] =>
    records.map((record) => ({ ...record, ttlS: ttlFor(record.ttlS) }));
  return {
    ...message,
    answers: aged(message.answers),
    authorities: aged(message.authorities),
    additionals: aged(message.additionals),
  };
}
