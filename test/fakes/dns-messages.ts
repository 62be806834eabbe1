/** DNS messages and what is nearly one, for tests that look for the exception. */
import {
  type Arbitrary,
  array,
  boolean,
  constantFrom,
  integer,
  oneof,
  option,
  record,
  stringMatching,
  tuple,
  uint8Array,
} from "fast-check";
import { encode, type Message, RCODE } from "#core/dns/message.ts";
import type { RecordData } from "#core/dns/record.ts";

const u16 = integer({ min: 0, max: 0xffff });
const u32 = integer({ min: 0, max: 0xffff_ffff });
const name = array(stringMatching(/^[a-zA-Z0-9_-]{1,12}$/), { maxLength: 5 }).map((labels) =>
  labels.join("."),
);
const data = oneof<[ReturnType<typeof anyData>, ...ReturnType<typeof anyData>[]]>(
  uint8Array({ minLength: 4, maxLength: 4 }).map((address): RecordData => ({ type: "A", address })),
  uint8Array({ minLength: 16, maxLength: 16 }).map(
    (address): RecordData => ({ type: "AAAA", address }),
  ),
  name.map((target): RecordData => ({ type: "PTR", target })),
  name.map((target): RecordData => ({ type: "CNAME", target })),
  name.map((target): RecordData => ({ type: "NS", target })),
  record({ priority: u16, weight: u16, port: u16, target: name }).map(
    (srv): RecordData => ({ type: "SRV", ...srv }),
  ),
  array(stringMatching(/^[ -~]{0,40}$/), { minLength: 1, maxLength: 3 }).map(
    (texts): RecordData => ({ type: "TXT", texts }),
  ),
  record({ primary: name, mailbox: name, numbers: array(u32, { minLength: 5, maxLength: 5 }) }).map(
    ({ primary, mailbox, numbers: [a = 0, b = 0, c = 0, d = 0, e = 0] }): RecordData => ({
      type: "SOA",
      primary,
      mailbox,
      serial: a,
      refreshS: b,
      retryS: c,
      expireS: d,
      minimumS: e,
    }),
  ),
  uint8Array({ maxLength: 30 }).map((bytes): RecordData => ({ type: "other", number: 65, bytes })),
);
const records = array(record({ name, ttlS: u32, data }), { maxLength: 4 });
/** Whatever our own code could write. */
export const anyMessage: Arbitrary<Message> = record({
  id: u16,
  isResponse: boolean(),
  opcode: constantFrom(0, 4),
  isAuthoritative: boolean(),
  isTruncated: boolean(),
  wantsRecursion: boolean(),
  canRecurse: boolean(),
  rcode: constantFrom(...Object.values(RCODE)),
  questions: array(record({ name, type: u16, class: u16 }), { maxLength: 2 }),
  answers: records,
  authorities: records,
  additionals: records,
  edns: option(
    record({
      udpBytes: u16,
      version: constantFrom(0, 1),
      upperRcode: constantFrom(0, 1),
      wantsSignatures: boolean(),
    }),
    { nil: undefined },
  ),
}).map(({ edns, ...rest }): Message => (edns === undefined ? rest : { ...rest, edns }));

function anyData() {
  return uint8Array().map((address): RecordData => ({ type: "A", address }));
}

/** A question that could be somebody's, about our names and others'. */
const anyQuery: Arbitrary<Message> = record({
  message: anyMessage,
  domain: constantFrom(
    "default.svc.cluster.local",
    "cluster.local",
    "app.internal",
    "svc.app.flycast",
    "a.a.d.f.ip6.arpa",
    "1.10.in-addr.arpa",
    "example.com",
  ),
  type: constantFrom(1, 2, 5, 6, 12, 16, 28, 33, 255),
}).map(({ message, domain, type }) => {
  const [first] = message.questions;
  const above = first === undefined || first.name === "" ? "" : `${first.name}.`;
  const questions = [{ name: above + domain, type, class: 1 }];
  const none = { answers: [], authorities: [], additionals: [] };
  return { ...message, ...none, isResponse: false, opcode: 0, questions };
});

/** A message with some of its bytes changed, cut off, or none at all. */
export const anyBytes: Arbitrary<Uint8Array> = oneof(
  uint8Array({ maxLength: 600 }),
  tuple(
    oneof(anyMessage, anyQuery),
    array(record({ at: u16, value: integer({ min: 0, max: 255 }) }), { maxLength: 8 }),
    option(u16, { nil: undefined }),
  ).map(([message, changes, cutAt]) => {
    const bytes = encode(message, 65_535);
    for (const { at, value } of changes) bytes[at % bytes.length] = value;
    return cutAt === undefined ? bytes : bytes.slice(0, cutAt % (bytes.length + 1));
  }),
);
