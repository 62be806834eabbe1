import { expect, test } from "bun:test";
import { assert, ipV4, ipV6, oneof, property, stringMatching } from "fast-check";
import ipaddr from "ipaddr.js";
import { addressBytes, addressInReverse, sameAddress } from "./address.ts";

/** What ipaddr.js makes of it, where it is as strict as an API server. */
function peer(text: string): number[] | undefined {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return ipaddr.IPv4.parse(text).toByteArray();
  if (!text.includes(":") || !ipaddr.IPv6.isValid(text)) return undefined;
  return ipaddr.IPv6.parse(text).toByteArray();
}

/** ipaddr.js takes `::1.2.3.4` for `::ffff:1.2.3.4`, against RFC 4291, section 2.2. */
const ip = oneof(ipV4(), ipV6()).filter((text) => !/^::[\d.]+$/.test(text));

test("addresses are read as ipaddr.js reads them", () => {
  assert(
    property(ip, (text) => {
      const bytes = addressBytes(text);
      expect(bytes && [...bytes]).toEqual(ipaddr.parse(text).toByteArray());
    }),
    { numRuns: 2_000 },
  );
});

test("what is nearly an address is one exactly when it is one to ipaddr.js", () => {
  assert(
    property(stringMatching(/^[0-9a-fA-F:.]{0,20}$/), (text) => {
      const bytes = addressBytes(text);
      expect([text, bytes && [...bytes]]).toEqual([text, peer(text)]);
    }),
    { numRuns: 5_000 },
  );
});

test("the same address is written in one way", () => {
  assert(
    property(ip, (text) => {
      const peers = ipaddr.parse(text);
      const written = peers instanceof ipaddr.IPv6 ? peers.toRFC5952String() : text;
      expect(sameAddress(text)).toBe(written);
      expect(sameAddress(text.toUpperCase())).toBe(sameAddress(text));
    }),
    { numRuns: 2_000 },
  );
});

test.each([
  ["4.3.2.1.in-addr.arpa", "1.2.3.4"],
  ["3.2.1.in-addr.arpa", undefined],
  ["256.3.2.1.in-addr.arpa", undefined],
  [`${"0.".repeat(31)}f.ip6.arpa`, "f000::"],
  [`1.${"0.".repeat(31)}ip6.arpa`, "::1"],
  [`${"0.".repeat(30)}0g.0.ip6.arpa`, undefined],
  [`${"0.".repeat(30)}f.ip6.arpa`, undefined],
  ["example.com", undefined],
])("the reverse name %s", (name, address) => {
  expect(addressInReverse(name)).toBe(address);
});
