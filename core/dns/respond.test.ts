import { describe, expect, test } from "bun:test";
import { assert, property, uint8Array } from "fast-check";
import type { Machine, MachineState } from "../fly/machine.ts";
import { machineNames, type ZoneMachine } from "./machine-names.ts";
import { decode, type Edns, encode, type Message, RCODE } from "./message.ts";
import { TYPE } from "./record.ts";
import { failure, judged, passedOn, type Response, respond } from "./respond.ts";
import type { Zone } from "./zone.ts";

function zoneOf(machines: readonly ZoneMachine[]): Zone {
  const names = machineNames();
  for (const one of machines) names.put(one);
  return names;
}

const asking = (turn = 0) => ({ turn, searches: () => [] });

function edns(udpBytes: number, version = 0): Edns {
  return { udpBytes, version, upperRcode: 0, wantsSignatures: false };
}

function machine(
  id: string,
  last: number,
  state: MachineState = "started",
  more: Partial<Machine> = {},
): ZoneMachine {
  return {
    app: "web",
    machine: {
      id,
      name: id,
      state,
      region: last % 2 === 0 ? "ams" : "fra",
      instance_id: "x",
      private_ip: `fdaa:1:2:a7b:1:0:${last}:2`,
      created_at: "",
      updated_at: "",
      events: [],
      host_status: "ok",
      ...more,
    },
  };
}

const zone = zoneOf([
  machine("a1", 1),
  machine("a2", 2),
  machine("a3", 3, "stopped"),
  machine("a4", 4, "started", { config: { dns: { skip_registration: true } } }),
  machine("a5", 5, "started", {
    config: { metadata: { fly_process_group: "worker", fks_pod: "db-0", note: "no label!" } },
  }),
]);

function queryFor(name: string, type: number, more: Partial<Message> = {}): Uint8Array {
  return encode(
    {
      id: 4711,
      isResponse: false,
      opcode: 0,
      isAuthoritative: false,
      isTruncated: false,
      wantsRecursion: true,
      canRecurse: false,
      rcode: 0,
      questions: [{ name, type, class: 1 }],
      answers: [],
      authorities: [],
      additionals: [],
      ...more,
    },
    65_535,
  );
}

function messageIn(bytes: Uint8Array): Message {
  const decoded = decode(bytes);
  if (decoded.kind !== "message") throw new Error("the reply is malformed");
  return decoded.message;
}

function reply(bytes: Uint8Array, turn = 0): Message {
  const response = respond(bytes, "udp", zone, asking(turn));
  if (response.kind !== "reply") throw new Error(`no reply but ${response.kind}`);
  return messageIn(response.bytes);
}

/** The last distinguishing group of each address, or the texts and targets. */
function found(name: string, type: number, turn = 0): readonly (number | string | undefined)[] {
  return reply(queryFor(name, type), turn).answers.map(({ data }) => {
    if (data.type === "AAAA") return data.address[13];
    if (data.type === "TXT") return data.texts.join("");
    return data.type === "PTR" ? data.target : undefined;
  });
}

describe("Machines are found by name", () => {
  test.each<[string, number, readonly (number | string)[]]>([
    ["web.internal", TYPE.AAAA, [1, 2, 5]],
    ["WEB.Internal", TYPE.AAAA, [1, 2, 5]],
    ["global.web.internal", TYPE.AAAA, [1, 2, 5]],
    ["ams.web.internal", TYPE.AAAA, [2]],
    ["a1.vm.web.internal", TYPE.AAAA, [1]],
    ["worker.process.web.internal", TYPE.AAAA, [5]],
    ["db-0.fks_pod.kv._metadata.web.internal", TYPE.AAAA, [5]],
    ["vms.web.internal", TYPE.TXT, ["a1 fra,a2 ams,a4 ams,a5 fra"]],
    ["all.vms.web.internal", TYPE.TXT, ["a1 fra,a2 ams,a3 fra,a4 ams,a5 fra"]],
    ["regions.web.internal", TYPE.TXT, ["fra,ams"]],
    ["_apps.internal", TYPE.TXT, ["web"]],
    [
      "2.0.0.0.1.0.0.0.0.0.0.0.1.0.0.0.b.7.a.0.2.0.0.0.1.0.0.0.a.a.d.f.ip6.arpa",
      TYPE.PTR,
      ["a1.vm.web.internal"],
    ],
  ])("%s", (name, type, answers) => {
    expect(found(name, type)).toEqual(answers);
  });

  test("each time another address comes first", () => {
    expect([0, 1, 2, 3].map((turn) => found("web.internal", TYPE.AAAA, turn)[0])).toEqual([
      1, 2, 5, 1,
    ]);
  });

  test("the reply is for the one who asked", () => {
    const message = reply(queryFor("Web.internal", TYPE.AAAA));
    expect(message).toMatchObject({ id: 4711, isResponse: true, isAuthoritative: true, rcode: 0 });
    expect(message.questions).toEqual([{ name: "Web.internal", type: TYPE.AAAA, class: 1 }]);
    expect(message.edns).toBeUndefined();
  });
});

describe("what is not there is said to be not there", () => {
  test.each([
    ["none.internal", TYPE.AAAA, RCODE.nxDomain],
    ["a9.vm.web.internal", TYPE.AAAA, RCODE.nxDomain],
    ["a4.vm.web.internal", TYPE.AAAA, RCODE.nxDomain],
    ["_api.internal", TYPE.AAAA, RCODE.nxDomain],
    ["web.flycast", TYPE.AAAA, RCODE.nxDomain],
    ["9.a.a.d.f.ip6.arpa", TYPE.PTR, RCODE.nxDomain],
    ["web.internal", TYPE.A, RCODE.noError],
    ["a3.vm.web.internal", TYPE.AAAA, RCODE.noError],
    ["vm.web.internal", TYPE.AAAA, RCODE.noError],
    ["internal", TYPE.AAAA, RCODE.noError],
  ])("%s, type %d", (name, type, rcode) => {
    const message = reply(queryFor(name, type));
    expect(message.rcode).toBe(rcode);
    expect(message.answers).toEqual([]);
    expect(message.authorities.map(({ data }) => data.type)).toEqual(["SOA"]);
  });
});

test.each(["example.com", "internal.example.com", "webinternal", "", "4.3.2.1.in-addr.arpa"])(
  "%p is somebody else's to answer",
  (name) => {
    expect(respond(queryFor(name, TYPE.A), "udp", zone, asking()).kind).toBe("ask");
  },
);

describe("odd queries", () => {
  test("a response, or less than a header, gets no answer", () => {
    expect(
      respond(queryFor("web.internal", 28, { isResponse: true }), "udp", zone, asking()),
    ).toEqual({
      kind: "silence",
    });
    expect(respond(new Uint8Array(11), "udp", zone, asking())).toEqual({ kind: "silence" });
  });

  test.each([
    ["no question", { questions: [] }, RCODE.formErr],
    ["an update", { opcode: 5 }, RCODE.notImp],
    ["another class", { questions: [{ name: "web.internal", type: 1, class: 3 }] }, RCODE.refused],
  ])("%s", (_, more, rcode) => {
    expect(reply(queryFor("web.internal", TYPE.AAAA, more)).rcode).toBe(rcode);
  });

  test("EDNS of the future is told which version there is", () => {
    const message = reply(queryFor("web.internal", TYPE.AAAA, { edns: edns(1232, 1) }));
    expect(message).toMatchObject({ rcode: 0, answers: [], edns: { version: 0, upperRcode: 1 } });
  });

  test.each([251, 252])("a transfer (type %d) is refused, whosever the name is", (type) => {
    expect(reply(queryFor("internal", type)).rcode).toBe(RCODE.refused);
    expect(reply(queryFor("example.com", type)).rcode).toBe(RCODE.refused);
  });

  test("a question that is cut off", () => {
    expect(reply(queryFor("web.internal", TYPE.AAAA).subarray(0, 20)).rcode).toBe(RCODE.formErr);
  });

  test("whatever arrives, there is a response and never a throw", () => {
    assert(
      property(uint8Array({ maxLength: 300 }), (bytes) => {
        expect(["reply", "ask", "silence"]).toContain(respond(bytes, "udp", zone, asking()).kind);
      }),
      { numRuns: 1000 },
    );
  });
});

describe("a reply fits where it goes", () => {
  const many = zoneOf(
    Array.from({ length: 200 }, (_, index) => machine(`m${index}`, index % 2, "started")),
  );
  const ask = (transport: "udp" | "tcp", more: Partial<Message> = {}): Uint8Array => {
    const response = respond(queryFor("web.internal", TYPE.AAAA, more), transport, many, asking());
    if (response.kind !== "reply") throw new Error("no reply");
    return response.bytes;
  };

  test.each([
    ["without EDNS", {}, 512],
    ["with a small EDNS size", { edns: edns(100) }, 512],
    ["with a medium one", { edns: edns(900) }, 900],
    ["with a large one", { edns: edns(65_000) }, 1232],
  ])("over UDP %s", (_, more, maxBytes) => {
    const bytes = ask("udp", more);
    expect(bytes.length).toBeLessThanOrEqual(maxBytes);
    expect(bytes.length).toBeGreaterThan(maxBytes - 40);
    expect(messageIn(bytes).isTruncated).toBe(true);
    expect(messageIn(bytes).edns !== undefined).toBe("edns" in more);
  });

  test("over TCP it is whole", () => {
    const message = messageIn(ask("tcp"));
    expect(message.isTruncated).toBe(false);
    expect(message.answers).toHaveLength(200);
  });
});

describe("an upstream's answer", () => {
  const answer = queryFor("example.com", TYPE.A, {
    id: 99,
    isResponse: true,
    answers: [
      { name: "example.com", ttlS: 9, data: { type: "A", address: new Uint8Array([1, 2, 3, 4]) } },
    ],
  });

  function ask(name: string, more: Partial<Message> = {}): Extract<Response, { kind: "ask" }> {
    const response = respond(queryFor(name, TYPE.A, more), "udp", zone, asking());
    if (response.kind !== "ask") throw new Error("it was to be asked for");
    return response;
  }

  test("is taken only when it is one to this question", () => {
    const asked = queryFor("example.com", TYPE.A, { id: 99 });
    const cut = queryFor("example.com", TYPE.A, { id: 99, isResponse: true, isTruncated: true });
    expect(judged(answer, asked)).toBe("answer");
    expect(judged(cut, asked)).toBe("truncated");
    expect(judged(answer, queryFor("example.com", TYPE.A, { id: 98 }))).toBe("foreign");
    expect(judged(asked, asked)).toBe("foreign");
    expect(judged(answer, queryFor("evil.example", TYPE.A, { id: 99 }))).toBe("foreign");
    expect(judged(answer, queryFor("example.com", TYPE.AAAA, { id: 99 }))).toBe("foreign");
    expect(judged(new Uint8Array(5), asked)).toBe("foreign");
  });

  test("is passed on under the asker's id, with the name in the asker's case", () => {
    const message = messageIn(passedOn(ask("eXample.Com"), messageIn(answer), "udp"));

    expect(message).toMatchObject({ id: 4711, isAuthoritative: false, canRecurse: true });
    expect(message.questions[0]?.name).toBe("eXample.Com");
    expect(message.answers).toMatchObject([{ name: "eXample.Com", ttlS: 9 }]);
  });

  test("that is too large is cut, with a hint to ask over TCP", () => {
    const [one] = messageIn(answer).answers;
    const large = {
      ...messageIn(answer),
      answers: Array.from({ length: 90 }, () => one ?? fail()),
    };

    const bytes = passedOn(ask("example.com"), large, "udp");
    expect(bytes.length).toBeLessThanOrEqual(512);
    expect(messageIn(bytes).isTruncated).toBe(true);
    expect(messageIn(passedOn(ask("example.com"), large, "tcp")).answers).toHaveLength(90);
  });

  test("that does not come is SERVFAIL", () => {
    const { query } = ask("example.com");
    expect(messageIn(failure(query, "udp"))).toMatchObject({ id: 4711, rcode: RCODE.servFail });
  });
});

function fail(): never {
  throw new Error("there is no record");
}
