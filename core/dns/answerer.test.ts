import { describe, expect, test } from "bun:test";
import { assert, property } from "fast-check";
import { fakeClock } from "#test/fakes/clock.ts";
import { anyBytes } from "#test/fakes/dns-messages.ts";
import { memoryLog } from "#test/fakes/log.ts";
import { FksError } from "../errors.ts";
import { addressRecords } from "./address.ts";
import { answerer } from "./answerer.ts";
import type { Forwarder } from "./forwarder.ts";
import { decode, type Message, RCODE } from "./message.ts";
import type { Name } from "./name.ts";
import { rateLimit } from "./rate-limit.ts";
import { type RecordData, TYPE, typeOf } from "./record.ts";
import { queryFor } from "./respond.ts";
import type { Zone } from "./zone.ts";

const SEARCHES = ["default.svc.cluster.local", "svc.cluster.local", "cluster.local"];

interface Given {
  readonly names?: Readonly<Record<Name, readonly RecordData[]>>;
  /** What others know; the rest does not exist. */
  readonly others?: Readonly<Record<Name, string>>;
  readonly othersAreAway?: boolean;
  readonly searches?: readonly Name[];
  readonly burst?: number;
}

function world(given: Given = {}) {
  const { names = {}, others = {}, searches = SEARCHES, burst = 1e9, othersAreAway } = given;
  const asked: Name[] = [];
  const zone: Zone = { find: (name) => ({ records: names[name] }) };
  const forwarder: Forwarder = {
    known: () => undefined,
    waiting: () => 0,
    async ask({ name, type }) {
      asked.push(name);
      if (othersAreAway === true) throw new FksError("Unavailable", "nobody is there");
      const ip = others[name.toLowerCase()];
      const records = addressRecords(ip ?? "").filter((data) => typeOf(data) === type);
      const answers = records.map((data) => ({ name: name.toLowerCase(), ttlS: 60, data }));
      return { ...EMPTY, rcode: ip === undefined ? RCODE.nxDomain : RCODE.noError, answers };
    },
  };
  const log = memoryLog();
  const clock = fakeClock();
  const answers = answerer(
    {
      zone,
      searchesOf: () => searches,
      forwarder,
      probes: { caught: ({ name }) => name === "probe" },
      limit: rateLimit({ perSecond: burst, burst }),
      clock,
      log,
    },
    new AbortController().signal,
  );
  const into = new Uint8Array(65_535);
  return {
    asked,
    answers,
    log,
    ask: async (name: Name, type: number = TYPE.A): Promise<Message> => {
      const query = queryFor({ name, type, class: 1 }, undefined);
      const length = answers.answer(query, "tcp", "fdaa::1", into);
      return messageIn(typeof length === "number" ? into.slice(0, length) : await length);
    },
  };
}

const EMPTY: Message = {
  id: 0,
  isResponse: true,
  opcode: 0,
  isAuthoritative: false,
  isTruncated: false,
  wantsRecursion: true,
  canRecurse: true,
  rcode: 0,
  questions: [],
  answers: [],
  authorities: [],
  additionals: [],
};

function messageIn(bytes: Uint8Array): Message {
  const decoded = decode(bytes);
  if (decoded.kind !== "message") throw new Error("malformed");
  return decoded.message;
}

/** The chain of names and addresses, or the failure. */
function told({ rcode, answers }: Message) {
  if (rcode !== RCODE.noError) return rcode;
  return answers.map(({ data }) =>
    data.type === "CNAME" ? data.target : data.type === "A" ? data.address.join(".") : data.type,
  );
}

describe("a name with a search domain behind it is completed", () => {
  const names = {
    "web.default.svc.cluster.local": addressRecords("10.0.0.1"),
    "web.other.svc.cluster.local": addressRecords("10.0.0.2"),
    "app.internal": addressRecords("10.0.0.3"),
  };
  const others = { "example.com": "1.2.3.4" };

  test.each<[string, string, string[] | number]>([
    ["somebody else's name", "Example.com", ["Example.com", "1.2.3.4"]],
    ["a Service of another namespace", "web.other", ["web.other.svc.cluster.local", "10.0.0.2"]],
    ["with svc", "web.other.svc", ["web.other.svc.cluster.local", "10.0.0.2"]],
    ["a full name", "web.default.svc.cluster.local", ["web.default.svc.cluster.local", "10.0.0.1"]],
    ["a Machine's name", "app.internal", ["app.internal", "10.0.0.3"]],
    ["a name that is nowhere", "none.example.com", RCODE.nxDomain],
    ["a Service that is nowhere", "none.other.svc.cluster.local", RCODE.nxDomain],
    ["a name of one label", "none", RCODE.nxDomain],
  ])("%s", async (_, name, expected) => {
    const { ask } = world({ names, others });
    expect(told(await ask(`${name}.default.svc.cluster.local`))).toEqual(expected);
  });

  test("and who asks for records that are not there learns that the name is", async () => {
    const { ask } = world({ names, others });
    const message = await ask("example.com.default.svc.cluster.local", TYPE.AAAA);
    expect(told(message)).toEqual(["example.com"]);
  });

  test("in one question to others", async () => {
    const { ask, asked } = world({ names, others });
    await ask("example.com.default.svc.cluster.local");
    expect(asked).toEqual(["example.com"]);
  });

  test("but not for clients that search elsewhere", async () => {
    const { ask, asked } = world({ names, others, searches: ["other.svc.cluster.local"] });
    expect(told(await ask("example.com.default.svc.cluster.local"))).toBe(RCODE.nxDomain);
    const corporate = world({ names, others, searches: [...SEARCHES, "corp.example"] });
    expect(told(await corporate.ask("example.com.default.svc.cluster.local"))).toBe(RCODE.nxDomain);
    expect([...asked, ...corporate.asked]).toEqual([]);
  });

  test("and while others are away it is not there, as without completion", async () => {
    const { ask } = world({ names, othersAreAway: true });
    const message = await ask("example.com.default.svc.cluster.local");
    expect(message).toMatchObject({ rcode: RCODE.nxDomain, isAuthoritative: true, answers: [] });
    expect(message.authorities.map(({ data }) => data.type)).toEqual(["SOA"]);
  });
});

test("an alias to somebody else's name comes with that name's address", async () => {
  const names = {
    "out.default.svc.cluster.local": [{ type: "CNAME", target: "example.com" }],
  } as const;
  const { ask } = world({ names, others: { "example.com": "1.2.3.4" } });
  const away = world({ names, othersAreAway: true });

  expect(told(await ask("out.default.svc.cluster.local"))).toEqual(["example.com", "1.2.3.4"]);
  expect(told(await ask("out.default.svc.cluster.local", TYPE.CNAME))).toEqual(["example.com"]);
  expect(told(await away.ask("out.default.svc.cluster.local"))).toBe(RCODE.servFail);
});

test("what is not known yet is a failure, not an absence", async () => {
  const { answers } = world();
  const zone: Zone = { find: () => ({ records: undefined, isUnknown: true }) };
  const behind = answerer(
    {
      zone,
      searchesOf: () => SEARCHES,
      forwarder: {
        known: () => undefined,
        waiting: () => 0,
        ask: () => Promise.reject(new Error()),
      },
      probes: { caught: () => false },
      limit: rateLimit({ perSecond: 9, burst: 9 }),
      clock: fakeClock(),
      log: memoryLog(),
    },
    new AbortController().signal,
  );
  const into = new Uint8Array(512);
  const query = queryFor({ name: "a.b.default.svc.cluster.local", type: 1, class: 1 }, undefined);
  const length = behind.answer(query, "udp", "fdaa::1", into);
  expect(messageIn(into.slice(0, Number(length))).rcode).toBe(RCODE.servFail);
  expect(answers.counts.queries).toBe(0);
});

test("a client that asks too much is named once and not answered", () => {
  const { answers, log } = world({ burst: 3 });
  const query = queryFor({ name: "none.internal", type: TYPE.A, class: 1 }, undefined);
  const into = new Uint8Array(1_232);
  const lengths = Array.from({ length: 10 }, () => answers.answer(query, "udp", "fdaa::1", into));

  expect(lengths.filter((length) => length === 0)).toHaveLength(7);
  expect(answers.answer(query, "udp", "fdaa::2", into)).not.toBe(0);
  expect(answers.counts).toMatchObject({ queries: 11, limited: 7 });
  expect(log.lines).toEqual([
    ["a client asks too much and is not always answered", { client: "fdaa::1" }],
  ]);
});

test("one client cannot have all of others' time", async () => {
  const { promise } = Promise.withResolvers<Message>();
  const answers = answerer(
    {
      zone: { find: () => ({ records: undefined }) },
      searchesOf: () => [],
      forwarder: { known: () => undefined, waiting: () => 0, ask: () => promise },
      probes: { caught: () => false },
      limit: rateLimit({ perSecond: 1e6, burst: 1e6 }),
      clock: fakeClock(),
      log: memoryLog(),
    },
    new AbortController().signal,
  );
  const into = new Uint8Array(1_232);
  const ask = (client: string) =>
    answers.answer(
      queryFor({ name: "x.example", type: 1, class: 1 }, undefined),
      "udp",
      client,
      into,
    );

  const waiting = Array.from({ length: 128 }, () => ask("fdaa::1"));
  expect(waiting.every((one) => typeof one !== "number")).toBe(true);
  expect(typeof ask("fdaa::1")).toBe("number");
  expect(typeof ask("fdaa::2")).not.toBe("number");
});

test("whatever arrives, it is answered within bounds, or not, and nothing is thrown", () => {
  const { answers } = world();
  const into = new Uint8Array(1_232);
  assert(
    property(anyBytes, (bytes) => {
      const length = answers.answer(bytes, "udp", "fdaa::1", into);
      if (typeof length !== "number" || length === 0) return;
      expect(length).toBeLessThanOrEqual(1_232);
      expect(messageIn(into.slice(0, length)).isResponse).toBe(true);
    }),
    { numRuns: 3_000 },
  );
});
