import { completionOf } from "./completion.ts";
import { type Question, RCODE } from "./message.ts";
import { canonical, isWithin, type Name } from "./name.ts";
import { type DnsRecord, type RecordData, type Soa, TYPE, typeOf } from "./record.ts";
import { type Basis, type Found, NOWHERE, ownDomainOf, REVERSE_DOMAIN, type Zone } from "./zone.ts";

export type Answer =
  | Answered
  /** Somebody else's name: ask the host's resolvers. */
  | { readonly kind: "forward" }
  /** One of our names leads to somebody else's: `answers`, and then what is found at `target`. */
  | {
      readonly kind: "follow";
      readonly answers: readonly DnsRecord[];
      readonly target: Name;
      /** What to say when nothing is there; absent: what they say of `target`. */
      readonly otherwise?: Answered;
    };

export interface Answered {
  readonly kind: "answer";
  readonly rcode: number;
  readonly answers: readonly DnsRecord[];
  readonly authorities: readonly DnsRecord[];
  readonly additionals: readonly DnsRecord[];
  /** As in a `Found`. */
  readonly basis?: Basis | undefined;
}

/** What an answer takes into account beside the question and the zone. */
export interface Asking {
  /**
   * Changes with each question: of several addresses another one comes first, so that clients who
   * take the first spread over all.
   */
  readonly turn: number;
  /** Domains that the one who asks puts behind names, in its order. */
  readonly searches: () => readonly Name[];
}

const CLASS_INTERNET = 1;
const TRANSFERS: readonly number[] = [251, 252];
/** As in Fly's own answers, and in CoreDNS': Machines come and go. */
const TTL_S = 5;
/** CNAMEs in a row. */
const CHAIN_MAX = 8;
/** More do not fit into any message. */
const RECORDS_MAX = 4_096;
const ADDITIONALS_MAX = 64;

const SOA: Omit<Soa, "primary" | "mailbox"> = {
  serial: 1,
  refreshS: 7_200,
  retryS: 1_800,
  expireS: 86_400,
  minimumS: TTL_S,
};

/** What to say to a question. Pure. */
export function answerFor(question: Question, zone: Zone, { turn, searches }: Asking): Answer {
  if (question.class !== CLASS_INTERNET) return bare(RCODE.refused);
  if (TRANSFERS.includes(question.type)) return bare(RCODE.refused);
  const chain: DnsRecord[] = [];
  let name = question.name;

  for (;;) {
    const key = canonical(name);
    const domain = ownDomainOf(key);
    const found = foundAt({ key, type: question.type, domain }, zone);
    if (domain !== undefined && found.isUnknown === true) return bare(RCODE.servFail);
    if (domain === undefined && found.records === undefined) {
      return chain.length === 0
        ? { kind: "forward" }
        : { kind: "follow", answers: chain, target: name };
    }
    const target = targetOf(found, question.type);
    if (target !== undefined && chain.length < CHAIN_MAX) {
      chain.push({ name, ttlS: TTL_S, data: { type: "CNAME", target } });
      name = target;
      continue;
    }
    const here = { name, domain, found, chain };
    if (found.records === undefined && chain.length === 0) {
      const completion = completionOf(question.name, zone, searches);
      if (completion !== undefined) {
        chain.push({ name, ttlS: TTL_S, data: { type: "CNAME", target: completion } });
        if (ownDomainOf(canonical(completion)) === undefined) {
          const otherwise = negative({ ...here, chain: [] });
          return { kind: "follow", answers: chain, target: completion, otherwise };
        }
        name = completion;
        continue;
      }
    }
    return answerHere(here, question.type, zone, turn);
  }
}

interface Here {
  readonly name: Name;
  readonly domain: Name | undefined;
  readonly found: Found;
  /** How we came here. */
  readonly chain: readonly DnsRecord[];
}

function answerHere(here: Here, type: number, zone: Zone, turn: number): Answered {
  const { name, found, chain } = here;
  const asked = (found.records ?? []).filter((data) => type === TYPE.ANY || typeOf(data) === type);
  const isTop = canonical(name) === here.domain;
  const soa = isTop && (type === TYPE.SOA || type === TYPE.ANY) ? [soaOf(here.domain)] : [];
  if (asked.length + soa.length === 0) return negative(here);
  const own = [...soa, ...rotated(asked, turn).slice(0, RECORDS_MAX)];
  return {
    kind: "answer",
    rcode: RCODE.noError,
    answers: [...chain, ...own.map((data) => ({ name, ttlS: TTL_S, data }))],
    authorities: [],
    additionals: addressesOf(own, zone),
    basis: chain.length === 0 ? found.basis : undefined,
  };
}

interface Place {
  /** In lower case. */
  readonly key: Name;
  readonly type: number;
  readonly domain: Name | undefined;
}

function foundAt({ key, type, domain }: Place, zone: Zone): Found {
  if (domain === undefined && !isWithin(key, REVERSE_DOMAIN)) return NOWHERE;
  const found = zone.find(key, type);
  return found.records === undefined && key === domain && !found.isUnknown
    ? { ...found, records: [] }
    : found;
}

/** Where the name leads, unless the question is about that itself. */
function targetOf({ records = [] }: Found, type: number): Name | undefined {
  if (type === TYPE.CNAME || type === TYPE.ANY) return undefined;
  const [first] = records;
  return first?.type === "CNAME" ? first.target : undefined;
}

/** "There is none", with how long that may be remembered. */
function negative({ domain, found, chain }: Omit<Here, "name">): Answered {
  return {
    kind: "answer",
    rcode: found.records === undefined ? RCODE.nxDomain : RCODE.noError,
    answers: chain,
    authorities: domain === undefined ? [] : [{ name: domain, ttlS: TTL_S, data: soaOf(domain) }],
    additionals: [],
    // What does not exist is another name for clients with another search list.
    basis: chain.length === 0 && found.records !== undefined ? found.basis : undefined,
  };
}

function bare(rcode: number): Answered {
  return { kind: "answer", rcode, answers: [], authorities: [], additionals: [] };
}

function soaOf(domain: Name): RecordData {
  return { type: "SOA", primary: `ns.dns.${domain}`, mailbox: `hostmaster.${domain}`, ...SOA };
}

/** Addresses of what records lead to: they save the client a question. */
function addressesOf(records: readonly RecordData[], zone: Zone): readonly DnsRecord[] {
  const targets = records.flatMap((data) =>
    data.type === "SRV" || data.type === "NS" ? [data.target] : [],
  );
  return [...new Set(targets)]
    .slice(0, ADDITIONALS_MAX)
    .flatMap((name) =>
      (zone.find(name).records ?? [])
        .filter(({ type }) => type === "A" || type === "AAAA")
        .map((data) => ({ name, ttlS: TTL_S, data })),
    );
}

function rotated<T>(items: readonly T[], turn: number): readonly T[] {
  const start = items.length < 2 ? 0 : turn % items.length;
  return start === 0 ? items : [...items.slice(start), ...items.slice(0, start)];
}
