import { describe, expect, test } from "bun:test";
import {
  assert,
  constantFrom,
  integer,
  ipV4,
  ipV6,
  property,
  record,
  uint8Array,
} from "fast-check";
import ipaddr from "ipaddr.js";
import { type ProxyHeader, proxyHeaderIn, proxyHeaderV1, proxyHeaderV2 } from "./proxy-protocol.ts";

const FOUR = {
  client: { address: "192.0.2.7", port: 40_000 },
  server: { address: "198.51.100.1", port: 443 },
};

test("version 2 is written byte by byte as the specification has it", () => {
  expect(Buffer.from(proxyHeaderV2(FOUR)).toString("hex")).toBe(
    // Signature, version and command, family, length, addresses, ports.
    "0d0a0d0a000d0a515549540a 21 11 000c c0000207 c6336401 9c40 01bb".replaceAll(" ", ""),
  );
});

test("version 1 is a line", () => {
  expect(Buffer.from(proxyHeaderV1(FOUR)).toString()).toBe(
    "PROXY TCP4 192.0.2.7 198.51.100.1 40000 443\r\n",
  );
});

/** IPv6 that only carries IPv4 is that. */
const same = (text: string): string => ipaddr.process(text).toString();

describe("what was written is read", () => {
  const port = integer({ min: 0, max: 65_535 });
  const address = constantFrom(ipV4(), ipV6()).chain((kind) => kind);
  const endpoint = record({ address, port });

  test.each([proxyHeaderV1, proxyHeaderV2])("%p", (write) => {
    assert(
      property(endpoint, endpoint, uint8Array({ maxLength: 20 }), (client, server, more) => {
        const header = write({ client, server });
        const read = proxyHeaderIn(Uint8Array.from([...header, ...more]));
        if (read.kind !== "parties") throw new Error(read.kind);
        expect(read.bytes).toBe(header.length);
        expect(read.parties.client.port).toBe(client.port);
        expect(same(read.parties.client.address)).toBe(same(client.address));
        expect(same(read.parties.server.address)).toBe(same(server.address));
        for (let cut = 0; cut < header.length; cut += 1) {
          expect(proxyHeaderIn(header.subarray(0, cut)).kind).toBe("incomplete");
        }
      }),
      { numRuns: 200 },
    );
  });
});

test.each<[string, ProxyHeader["kind"]]>([
  ["PROXY UNKNOWN\r\n", "local"],
  ["PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", "local"],
  ["GET / HTTP/1.1\r\n", "wrong"],
  ["PROXY TCP4 ::1 ::1 1 2\r\n", "wrong"],
  ["PROXY TCP4 1.2.3.4 1.2.3.4 70000 2\r\n", "wrong"],
  [`PROXY TCP4 ${"1".repeat(200)}`, "wrong"],
  ["PRO", "incomplete"],
  ["", "incomplete"],
])("%j is %s", (text, kind) => {
  expect(proxyHeaderIn(new TextEncoder().encode(text)).kind).toBe(kind);
});

test("a local connection and an unknown family tell no addresses", () => {
  const header = proxyHeaderV2(FOUR);
  const local = header.with(12, 0x20);
  expect(proxyHeaderIn(local)).toEqual({ kind: "local", bytes: 28 });
  expect(proxyHeaderIn(header.with(13, 0x31))).toEqual({ kind: "local", bytes: 28 });
  expect(proxyHeaderIn(header.with(12, 0x31)).kind).toBe("wrong");
  expect(proxyHeaderIn(header.with(14, 0xff)).kind).toBe("wrong");
  expect(proxyHeaderIn(header.with(15, 4)).kind).toBe("wrong");
});

test("nothing that comes makes it throw", () => {
  const prefix = constantFrom<Uint8Array>(
    new Uint8Array(),
    proxyHeaderV2(FOUR).slice(0, 13),
    new TextEncoder().encode("PROXY TCP4 "),
  );
  assert(
    property(prefix, uint8Array({ maxLength: 64 }), (start, rest) => {
      proxyHeaderIn(Uint8Array.from([...start, ...rest]));
    }),
    { numRuns: 5_000 },
  );
});
