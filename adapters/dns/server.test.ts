import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { hostClock } from "#adapters/host/clock.ts";
import { answerer } from "#core/dns/answerer.ts";
import { forwarder } from "#core/dns/forwarder.ts";
import { type LoopProbes, loopProbes } from "#core/dns/loop-probes.ts";
import { decode, encode, type Message, RCODE } from "#core/dns/message.ts";
import { rateLimit } from "#core/dns/rate-limit.ts";
import { TYPE } from "#core/dns/record.ts";
import type { Zone } from "#core/dns/zone.ts";
import { FksError } from "#core/errors.ts";
import type { Resolver } from "#core/ports/resolver.ts";
import { eventually } from "#test/fakes/eventually.ts";
import { memoryLog } from "#test/fakes/log.ts";
import { type DnsServer, dnsServer } from "./server.ts";
import { framed, queriesIn } from "./tcp.ts";
import { upstreamResolver } from "./upstream.ts";

const clock = hostClock();
const here = <Result>(create: () => Result): Result => create();
const nobody: Resolver = {
  ask: () => Promise.reject(new FksError("Unavailable", "there is nobody")),
};
let stop = new AbortController();

beforeEach(() => {
  stop = new AbortController();
});
afterEach(() => stop.abort(new Error("the test is over")));

function machineAddress(index: number): Uint8Array {
  return new Uint8Array([253, 170, ...Array.from({ length: 12 }, () => 0), index >>> 8, index]);
}

function zoneOf(name: string, count: number): Zone {
  const records = Array.from({ length: count }, (_, index) => ({
    type: "AAAA" as const,
    address: machineAddress(index),
  }));
  const basis = { version: 1 };
  return { find: (asked) => (asked === name ? { records, basis } : { records: undefined }) };
}

interface Given {
  readonly zone?: Zone;
  readonly resolver?: Resolver;
  readonly probes?: LoopProbes;
  readonly perSecond?: number;
  readonly address?: string;
  readonly port?: number;
}

function server(given: Given = {}): Promise<DnsServer> {
  const { zone = zoneOf("web.internal", 2), resolver = nobody, perSecond = 1e6 } = given;
  const { address = "127.0.0.1", port = 0, probes = noProbes() } = given;
  const answers = answerer(
    {
      zone,
      searchesOf: () => [],
      forwarder: forwarder({ resolver, clock }),
      probes,
      limit: rateLimit({ perSecond, burst: perSecond }),
      clock,
      log: memoryLog(),
    },
    stop.signal,
  );
  return dnsServer({ address, port, within: here }, answers, stop.signal);
}

function noProbes(): LoopProbes {
  return {
    probe: () => undefined,
    caught: () => false,
    isLooping: () => false,
    looping: () => [],
  };
}

function query(name: string, id = 7, type: number = TYPE.AAAA): Uint8Array {
  const flags = {
    isResponse: false,
    isAuthoritative: false,
    isTruncated: false,
    canRecurse: false,
  };
  const empty = { answers: [], authorities: [], additionals: [] };
  const questions = [{ name, type, class: 1 }];
  return encode(
    { id, opcode: 0, rcode: 0, wantsRecursion: true, questions, ...flags, ...empty },
    512,
  );
}

function message(bytes: Uint8Array): Message {
  const decoded = decode(bytes);
  if (decoded.kind !== "message") throw new Error("malformed");
  return decoded.message;
}

/** The replies to these queries, as many as are expected, in the order they come. */
async function overUdp(
  port: number,
  queries: readonly Uint8Array[],
  count: number,
): Promise<Message[]> {
  const replies: Message[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const socket = await Bun.udpSocket({
    connect: { hostname: "127.0.0.1", port },
    socket: {
      data(_socket, bytes) {
        replies.push(message(bytes));
        if (replies.length === count) resolve();
      },
    },
  });
  for (const bytes of queries) socket.send(bytes);
  await promise;
  socket.close();
  return replies;
}

async function overTcp(
  port: number,
  pieces: readonly Uint8Array[],
  count: number,
): Promise<Message[]> {
  const { promise, resolve } = Promise.withResolvers<Message[]>();
  let incoming: Uint8Array = new Uint8Array(0);
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port,
    socket: {
      data(_socket, piece) {
        incoming = Buffer.concat([incoming, piece]);
        const { queries } = queriesIn(incoming);
        if (queries.length === count) resolve(queries.map(message));
      },
    },
  });
  for (const piece of pieces) {
    socket.write(piece);
    socket.flush();
  }
  const replies = await promise;
  socket.end();
  return replies;
}

describe("over UDP", () => {
  test("every query of a burst gets its own answer", async () => {
    const { port } = await server();
    const ids = Array.from({ length: 100 }, (_, index) => index + 1);

    const replies = await overUdp(
      port,
      ids.map((id) => query("web.internal", id)),
      100,
    );

    expect(replies.map(({ id }) => id).toSorted((a, b) => a - b)).toEqual(ids);
    expect(replies.every(({ answers }) => answers.length === 2)).toBe(true);
    expect(new Set(replies.map(({ answers }) => JSON.stringify(answers))).size).toBe(2);
  });

  test("noise gets no answer and ends nothing", async () => {
    const { port } = await server();

    const replies = await overUdp(port, [new Uint8Array(3), query("web.internal", 9)], 1);

    expect(replies[0]?.id).toBe(9);
  });
});

describe("over TCP", () => {
  test("queries may come in one piece or byte by byte", async () => {
    const { port } = await server({ zone: zoneOf("web.internal", 200) });
    const two = Buffer.concat([framed(query("web.internal", 1)), framed(query("x.internal", 2))]);

    const whole = await overTcp(port, [two], 2);
    const cut = await overTcp(
      port,
      [...two].map((byte) => new Uint8Array([byte])),
      2,
    );

    expect(whole[0]?.answers).toHaveLength(200);
    expect(whole.map(({ id, rcode }) => [id, rcode])).toEqual([
      [1, RCODE.noError],
      [2, RCODE.nxDomain],
    ]);
    expect(cut.map(({ id }) => id)).toEqual([1, 2]);
  });
});

describe("names of others", () => {
  test("are asked of the resolver, whose answer comes back under the asker's id", async () => {
    const asked: string[] = [];
    const resolver: Resolver = {
      ask(bytes) {
        const { questions, ...rest } = message(bytes);
        asked.push(questions[0]?.name ?? "");
        return Promise.resolve(encode({ ...rest, questions, id: 1, isResponse: true }, 512));
      },
    };
    const { port } = await server({ resolver });

    const [reply] = await overUdp(port, [query("example.com", 77)], 1);

    expect(asked).toEqual(["example.com"]);
    expect(reply).toMatchObject({ id: 77, isResponse: true });
  });

  test("are SERVFAIL when nobody can be asked", async () => {
    const { port } = await server();
    const [reply] = await overUdp(port, [query("example.com")], 1);
    expect(reply?.rcode).toBe(RCODE.servFail);
  });
});

describe("clients are kept apart", () => {
  test("one that asks too much is not answered", async () => {
    const { port } = await server({ perSecond: 5 });
    const queries = Array.from({ length: 20 }, (_, index) => query("web.internal", index));
    expect(await overUdp(port, queries, 5)).toHaveLength(5);
  });

  test("one that opens very many connections keeps some, and the others theirs", async () => {
    const { port } = await server();
    let closed = 0;
    const sockets = await Promise.all(
      Array.from({ length: 200 }, () =>
        Bun.connect({
          hostname: "127.0.0.1",
          port,
          socket: {
            data() {},
            close: () => {
              closed += 1;
            },
          },
        }),
      ),
    );

    await eventually(() => closed === 200 - 64);
    for (const socket of sockets) socket.terminate();
    await eventually(() => closed === 200);
    expect(await overTcp(port, [framed(query("web.internal"))], 1)).toHaveLength(1);
  });
});

function resolverAt(...ports: number[]): Resolver {
  const servers = ports.map((port) => ({ address: "127.0.0.1", port }));
  return upstreamResolver({ servers: () => servers, probes: noProbes(), clock, timeoutMs: 40 });
}

describe("the host's resolvers", () => {
  test("are asked over TCP when the answer is too large for UDP", async () => {
    const { port } = await server({ zone: zoneOf("web.internal", 200) });

    const answer = message(await resolverAt(port).ask(query("web.internal", 5), stop.signal));

    expect(answer.id).toBe(5);
    expect(answer.answers).toHaveLength(200);
  });

  test("are asked in turn when one is silent or not there", async () => {
    const { port } = await server();
    const silent = await Bun.udpSocket({ hostname: "127.0.0.1", port: 0 });
    const gone = await Bun.udpSocket({ hostname: "127.0.0.1", port: 0 });
    gone.close();

    const answer = await resolverAt(silent.port, gone.port, port).ask(
      query("web.internal"),
      stop.signal,
    );
    silent.close();

    expect(message(answer).answers).toHaveLength(2);
  });

  test("are believed only about the question that was asked", async () => {
    const liar = await Bun.udpSocket({
      hostname: "127.0.0.1",
      port: 0,
      socket: {
        data(socket, bytes, port, address) {
          const asked = message(bytes);
          const other = [{ name: "evil.example", type: 28, class: 1 }];
          for (const lie of [{ id: asked.id ^ 1 }, { questions: other }, { rcode: 3 }]) {
            socket.send(encode({ ...asked, isResponse: true, ...lie }, 512), port, address);
          }
        },
      },
    });

    const answer = await resolverAt(liar.port).ask(query("example.com", 3), stop.signal);
    liar.close();

    expect(message(answer)).toMatchObject({ id: 3, rcode: 3 });
  });

  test("that answer with a failure are passed over for one that knows", async () => {
    const { port } = await server();
    const failing = await Bun.udpSocket({
      hostname: "127.0.0.1",
      port: 0,
      socket: {
        data(socket, bytes, to, address) {
          socket.send(encode({ ...message(bytes), isResponse: true, rcode: 2 }, 512), to, address);
        },
      },
    });

    const answer = await resolverAt(failing.port, port).ask(query("web.internal"), stop.signal);
    const only = await resolverAt(failing.port).ask(query("web.internal"), stop.signal);
    failing.close();

    expect(message(answer).answers).toHaveLength(2);
    expect(message(only).rcode).toBe(RCODE.servFail);
  });

  test("that ask us in turn are found out and left out", async () => {
    const told: string[] = [];
    const probes = loopProbes({
      randomLabel: () => crypto.randomUUID(),
      tell: (name) => told.push(name),
      clock,
    });
    const servers = [{ address: "127.0.0.1", port: 0 }];
    const looping = upstreamResolver({ servers: () => servers, probes, clock, timeoutMs: 200 });
    const { port } = await server({ resolver: looping, probes });
    servers[0] = { address: "127.0.0.1", port };

    const [reply] = await overUdp(port, [query("example.com")], 1);

    expect(reply?.rcode).toBe(RCODE.servFail);
    expect(told).toEqual([`[127.0.0.1]:${port}`]);
    const failure = looping.ask(query("example.org"), stop.signal).catch(String);
    expect(await failure).toBe("FksError: this host's resolvers ask us in turn");
  });

  test("that do not answer, or are not known, are Unavailable", async () => {
    const silent = await Bun.udpSocket({ hostname: "127.0.0.1", port: 0 });
    const failures = [resolverAt(silent.port), resolverAt()].map((asked) =>
      asked.ask(query("example.com"), stop.signal).catch((error: unknown) => String(error)),
    );

    expect(await Promise.all(failures)).toEqual([
      "FksError: no resolver of this host answered",
      "FksError: this host has no resolver",
    ]);
    silent.close();
  });
});

test("an address that is taken or not there is said to be so", async () => {
  const { port } = await server();
  const again = (address: string) => server({ address, port }).catch((error: unknown) => error);

  expect(await again("127.0.0.1")).toMatchObject({ code: "Conflict" });
  expect(await again("192.0.2.1")).toMatchObject({ code: "Unavailable" });
});
