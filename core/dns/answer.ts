import { type Question, RCODE } from "./message.ts";
import { canonical, isWithin, type Name } from "./name.ts";
import { type DnsRecord, type RecordData, type Soa, TYPE, typeOf } from "./record.ts";
import { OWN_DOMAINS, type Zone } from "./zone.ts";

export type Answer =
  | {
      readonly kind: "answer";
      readonly rcode: number;
      readonly answers: readonly DnsRecord[];
      readonly authorities: readonly DnsRecord[];
    }
  /** Somebody else's name: ask the host's resolvers. */
  | { readonly kind: "forward" };

const CLASS_INTERNET = 1;
/** As in Fly's own answers: Machines come and go. */
const TTL_S = 5;

const SOA: Omit<Soa, "primary" | "mailbox"> = {
  serial: 1,
  refreshS: 60,
  retryS: 10,
  expireS: 600,
  minimumS: TTL_S,
};

/**
 * What to say to a question. Pure.
 *
 * `turn` is a number that changes with each question: of several addresses another one comes first,
 * so that clients who take the first spread over all.
 */
export function answerFor(question: Question, zone: Zone, turn: number): Answer {
  const name = canonical(question.name);
  const domain = OWN_DOMAINS.find((own) => isWithin(name, own));
  if (question.class !== CLASS_INTERNET) return negative(RCODE.refused);
  if (domain === undefined) return { kind: "forward" };

  const records = zone.records.get(name);
  if (records === undefined && name !== domain) return negative(RCODE.nxDomain, domain);
  const asked = (records ?? []).filter(
    (data) => question.type === TYPE.ANY || typeOf(data) === question.type,
  );
  if (asked.length === 0) return negative(RCODE.noError, domain);
  const answers = rotated(asked, turn).map((data) => ({ name: question.name, ttlS: TTL_S, data }));
  return { kind: "answer", rcode: RCODE.noError, answers, authorities: [] };
}

/** "There is none", with how long that may be remembered. */
function negative(rcode: number, domain?: Name): Answer {
  const authorities: DnsRecord[] =
    domain === undefined ? [] : [{ name: domain, ttlS: TTL_S, data: soaOf(domain) }];
  return { kind: "answer", rcode, answers: [], authorities };
}

function soaOf(domain: Name): RecordData {
  return { type: "SOA", primary: `ns.${domain}`, mailbox: `hostmaster.${domain}`, ...SOA };
}

function rotated<T>(items: readonly T[], turn: number): readonly T[] {
  const start = turn % items.length;
  return [...items.slice(start), ...items.slice(0, start)];
}
