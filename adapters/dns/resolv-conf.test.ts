import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fakeClock } from "#test/fakes/clock.ts";
import { hostNameservers, nameserversIn } from "./resolv-conf.ts";

test("the first three nameservers count, comments and nonsense do not", () => {
  const text = `# nameserver 9.9.9.9
search example
nameserver 192.0.2.1
 nameserver\t2001:db8::1 # office
nameserver resolver.example
nameserver 192.0.2.2
nameserver 192.0.2.3
`;
  expect(nameserversIn(text).map(({ address }) => address)).toEqual([
    "192.0.2.1",
    "2001:db8::1",
    "192.0.2.2",
  ]);
  expect(nameserversIn("")).toEqual([]);
});

test("another network brings other nameservers, and we are never our own", () => {
  const folder = mkdtempSync(join(tmpdir(), "fks-resolv-"));
  const file = join(folder, "resolv.conf");
  const clock = fakeClock();
  const servers = hostNameservers(file, ["fdaa::3"], clock);
  const addresses = () => servers().map(({ address }) => address);
  try {
    expect(addresses()).toEqual([]);
    writeFileSync(file, "nameserver fdaa::3\nnameserver 192.0.2.1\n");
    expect(addresses()).toEqual([]);
    clock.advance(5_000);
    expect(addresses()).toEqual(["192.0.2.1"]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
