import { describe, expect, test } from "bun:test";
import { fakeClock } from "#test/fakes/clock.ts";
import { FksError } from "../errors.ts";
import { forwarder } from "./forwarder.ts";
import { decode, encode, type Message, RCODE } from "./message.ts";
import { type DnsRecord, TYPE } from "./record.ts";

const signal = new AbortController().signal;
const QUESTION = { name: "Example.com", type: TYPE.A, class: 1 };

function address(ttlS: number): DnsRecord {
  return { name: "example.com", ttlS, data: { type: "A", address: new Uint8Array([1, 2, 3, 4]) } };
}

function soa(ttlS: number, minimumS: number): DnsRecord {
  const numbers = { serial: 1, refreshS: 1, retryS: 1, expireS: 1, minimumS };
  return { name: "com", ttlS, data: { type: "SOA", primary: "a", mailbox: "b", ...numbers } };
}

function sixty(): Promise<Partial<Message>> {
  return Promise.resolve({ answers: [address(60)] });
}

/** Resolvers that answer as told; each call waits for `answer` or `fail` when there is no answer yet. */
function world() {
  const clock = fakeClock();
  const asked: Message[] = [];
  let next: () => Promise<Partial<Message>> = sixty;
  const others = forwarder({
    clock,
    resolver: {
      async ask(query) {
        const decoded = decode(query);
        if (decoded.kind !== "message") throw new Error("malformed");
        asked.push(decoded.message);
        const reply = { ...decoded.message, isResponse: true, ...(await next()) };
        return encode(reply, 65_535);
      },
    },
  });
  return {
    clock,
    asked,
    others,
    ask: (name = QUESTION.name) => others.ask({ ...QUESTION, name }, false, signal),
    answers: (answer: Partial<Message>) => {
      next = () => Promise.resolve(answer);
    },
    fails: () => {
      next = () => Promise.reject(new FksError("Unavailable", "nobody answers"));
    },
    waits: () => {
      const { promise, resolve } = Promise.withResolvers<Partial<Message>>();
      next = () => promise;
      return resolve;
    },
  };
}

function failureOf(asking: Promise<unknown>): Promise<unknown> {
  return asking.catch((error: unknown) => (error instanceof Error ? error.message : error));
}

describe("an answer is remembered", () => {
  test("for its time, which is counted down", async () => {
    const { ask, asked, clock } = world();
    expect((await ask()).answers[0]?.ttlS).toBe(60);
    clock.advance(20_000);
    expect((await ask("eXample.com")).answers[0]?.ttlS).toBe(40);
    expect(asked).toHaveLength(1);
    clock.advance(40_000);
    await ask();
    expect(asked).toHaveLength(2);
  });

  test("for an hour at most", async () => {
    const { ask, asked, clock, answers } = world();
    answers({ answers: [address(1e6)] });
    await ask();
    clock.advance(3_599_000);
    await ask();
    expect(asked).toHaveLength(1);
    clock.advance(1_000);
    await ask();
    expect(asked).toHaveLength(2);
  });

  test.each([
    ["not there, as its SOA says", { rcode: RCODE.nxDomain, authorities: [soa(60, 9)] }, 9],
    ["there without such records", { authorities: [soa(7, 60)] }, 7],
    ["not there, for no time at all", { rcode: RCODE.nxDomain }, 0],
    ["a failure", { rcode: RCODE.servFail }, 2],
    ["good for no time", { answers: [address(0)] }, 0],
  ])("%s", async (_, answer, seconds) => {
    const { ask, asked, clock, answers } = world();
    answers(answer);
    await ask();
    clock.advance(Math.max(0, seconds * 1_000 - 1));
    await ask();
    expect(asked).toHaveLength(seconds === 0 ? 2 : 1);
    clock.advance(1_000);
    await ask();
    expect(asked.length).toBeGreaterThan(1);
  });

  test("that asks for signatures is another one", async () => {
    const { others, asked } = world();
    await others.ask(QUESTION, false, signal);
    await others.ask(QUESTION, true, signal);
    expect(asked.map(({ edns }) => edns?.wantsSignatures)).toEqual([false, true]);
  });
});

describe("when nobody answers", () => {
  test("an old answer is given, with a short time", async () => {
    const { ask, clock, fails } = world();
    await ask();
    clock.advance(61_000);
    fails();
    expect((await ask()).answers[0]?.ttlS).toBe(30);
    clock.advance(3_700_000);
    expect(await failureOf(ask())).toBe("nobody answers");
  });

  test("an old answer is worth more than a failure", async () => {
    const { ask, clock, answers } = world();
    await ask();
    clock.advance(61_000);
    answers({ rcode: RCODE.servFail });
    expect((await ask()).answers).toHaveLength(1);
  });

  test("the same is asked again only after a while", async () => {
    const { ask, asked, clock, fails } = world();
    fails();
    expect(await failureOf(ask())).toBe("nobody answers");
    expect(await failureOf(ask())).toBe("nobody answers");
    expect(asked).toHaveLength(1);
    clock.advance(2_000);
    expect(await failureOf(ask())).toBe("nobody answers");
    expect(asked).toHaveLength(2);
  });
});

test("who asks the same meanwhile shares the answer", async () => {
  const { ask, asked, waits, others } = world();
  const answer = waits();
  const both = Promise.all([ask(), ask("EXAMPLE.com")]);
  await Promise.resolve();
  expect(others.waiting()).toBe(1);
  answer({ answers: [address(5)] });

  expect((await both).map(({ answers }) => answers.length)).toEqual([1, 1]);
  expect(asked).toHaveLength(1);
  expect(others.waiting()).toBe(0);
});

test("a flood of names that nobody answers is bounded", async () => {
  const { ask, waits } = world();
  const answer = waits();
  const asking = Array.from({ length: 600 }, (_, index) => ask(`n${index}.example`));
  const results = Promise.allSettled(asking);
  answer({ answers: [address(5)] });

  const settled = await results;
  expect(settled.filter(({ status }) => status === "rejected")).toHaveLength(600 - 512);
});

test("a resolver that does not know EDNS is asked without", async () => {
  const { others, asked, answers } = world();
  answers({ rcode: RCODE.formErr });
  await others.ask(QUESTION, false, signal);
  expect(asked.map(({ edns }) => edns !== undefined)).toEqual([true, false]);
});
