import { expect, test } from "bun:test";
import type { Answerer } from "#core/dns/answerer.ts";
import { respond } from "#core/dns/respond.ts";
import type { Zone } from "#core/dns/zone.ts";
import { withNetns } from "#embedded/machines-api/network/netns.ts";
import { dnsServer } from "./server.ts";

const address = new Uint8Array([0xfd, 0xaa, ...Array(13).fill(0), 1]);
const ZONE: Zone = {
  find: (name) => ({ records: name === "web.internal" ? [{ type: "AAAA", address }] : undefined }),
};

const ANSWERER: Pick<Answerer, "answer"> = {
  answer(query, transport, _client, into) {
    const response = respond(query, transport, ZONE, { turn: 0, searches: () => [] });
    if (response.kind !== "reply") return 0;
    into.set(response.bytes);
    return response.bytes.length;
  },
};

function ip(...args: string[]) {
  return Bun.spawnSync(["ip", ...args]);
}

test("sockets opened in a network namespace answer there, and only there", async () => {
  const stop = new AbortController();
  const name = `fks-dns-${process.pid}`;
  expect(ip("netns", "add", name).exitCode).toBe(0);
  try {
    ip("-n", name, "link", "set", "lo", "up");
    expect(ip("-n", name, "addr", "add", "fdaa::3/128", "dev", "lo", "nodad").exitCode).toBe(0);
    const within = <Result>(create: () => Result): Result => withNetns(name, create);
    await dnsServer({ address: "fdaa::3", port: 53, within }, ANSWERER, stop.signal);

    const lookup = Bun.spawn(
      ["ip", "netns", "exec", name, "busybox", "nslookup", "-type=aaaa", "web.internal", "fdaa::3"],
      { stdout: "pipe", stderr: "pipe" },
    );

    expect(await new Response(lookup.stdout).text()).toContain("fdaa::1");
    const outside = await Bun.udpSocket({ hostname: "127.0.0.1", port: 0 });
    expect(outside.port).toBeGreaterThan(0);
    outside.close();
  } finally {
    stop.abort(new Error("over"));
    ip("netns", "del", name);
  }
});
