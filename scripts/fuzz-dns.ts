/**
 * `bun scripts/fuzz-dns.ts [messages] [seed]`: asks the answerer very many odd messages, a million
 * unless told otherwise. Ends with 1 and the message that did it when one throws, is answered with
 * more bytes than allowed or with what cannot be read, or takes too long.
 */
import { assert, property } from "fast-check";
import { hostClock } from "#adapters/host/clock.ts";
import { hostLog } from "#adapters/host/log.ts";
import { addressRecords } from "#core/dns/address.ts";
import { answerer } from "#core/dns/answerer.ts";
import { decode, encode } from "#core/dns/message.ts";
import { rateLimit } from "#core/dns/rate-limit.ts";
import { FksError } from "#core/errors.ts";
import { anyBytes } from "#test/fakes/dns-messages.ts";

const numRuns = Number(process.argv[2] ?? 1_000_000);
const seed = Number(process.argv[3] ?? Date.now() % 2 ** 31);
const SLOW_MS = 250;
const UDP_MAX_BYTES = 1_232;

const basis = { version: 1 };
const records = ["10.0.0.1", "fdaa::1", "fdaa::2"].flatMap(addressRecords);
const answers = answerer(
  {
    // Most short names exist, so that there is something to answer.
    zone: { find: (name) => ({ records: name.length % 3 === 0 ? undefined : records, basis }) },
    searchesOf: () => ["default.svc.cluster.local", "svc.cluster.local", "cluster.local"],
    forwarder: {
      known: () => "failed",
      waiting: () => 0,
      ask: () => Promise.reject(new FksError("Unavailable", "there is nobody")),
    },
    probes: { caught: () => false },
    limit: rateLimit({ perSecond: 1e9, burst: 1e9 }),
    clock: hostClock(),
    log: hostLog({ role: "fuzz", level: "error", format: "json", color: false }),
  },
  new AbortController().signal,
);
const into = new Uint8Array(65_535);

console.log(`${numRuns} messages, seed ${seed}`);
assert(property(anyBytes, check), { numRuns, seed });
console.log(`none did harm; ${JSON.stringify(answers.counts)}`);

function check(bytes: Uint8Array): void {
  const startedAt = performance.now();
  for (const transport of ["udp", "tcp"] as const) {
    const length = answers.answer(bytes, transport, "fdaa::1", into);
    if (typeof length !== "number") throw new Error("nobody was to be waited for");
    if (length > (transport === "udp" ? UDP_MAX_BYTES : into.length)) throw new Error("too long");
    if (length > 0 && decode(into.subarray(0, length)).kind !== "message") {
      throw new Error("the reply cannot be read");
    }
  }
  const decoded = decode(bytes);
  if (decoded.kind === "message") again(encode(decoded.message, into.length));
  if (performance.now() - startedAt > SLOW_MS) throw new Error("too slow");
}

/** What was read and written once more is read as the same. */
function again(bytes: Uint8Array): void {
  if (decode(bytes).kind !== "message") throw new Error("what we wrote cannot be read");
}
