import { expect, test } from "bun:test";
import { connect as connectTcp } from "node:net";
import { PassThrough } from "node:stream";
import { connect as connectTls } from "node:tls";
import { fakeClock } from "#test/fakes/clock.ts";
import { kubeletWorld } from "#test/fakes/kubelet-world.ts";
import { boundedConnections, IDLE_TIMEOUT_MS } from "./connections.ts";

test("a connection without a request is closed, one that is being answered is not", () => {
  const clock = fakeClock();
  const connections = boundedConnections(clock);
  const [quiet, working] = [new PassThrough(), new PassThrough()];
  for (const connection of [quiet, working]) connections.add(connection);
  connections.busy(working);
  clock.advance(IDLE_TIMEOUT_MS);
  expect([quiet.destroyed, working.destroyed]).toEqual([true, false]);

  connections.idle(working);
  clock.advance(IDLE_TIMEOUT_MS);
  expect(working.destroyed).toBe(true);
});

test("beyond the bound a new connection is turned away", async () => {
  const connections = boundedConnections(fakeClock(), 1);
  const [first, second, third] = [new PassThrough(), new PassThrough(), new PassThrough()];
  connections.add(first);
  connections.add(second);
  expect([first.destroyed, second.destroyed]).toEqual([false, true]);

  first.destroy();
  await new Promise((resolve) => first.once("close", resolve));
  connections.add(third);
  expect(third.destroyed).toBe(false);
});

test("peers that say nothing are let go: before the handshake, after it, and after an answer", async () => {
  const clock = fakeClock();
  await using world = await kubeletWorld(clock);
  const port = world.api.listening[0]?.port ?? 0;
  const tcp = connectTcp(port, "127.0.0.1");
  const tls = connectTls({ host: "127.0.0.1", port, ca: world.serverCa.cert });
  const served = connectTls({ host: "127.0.0.1", port, ca: world.serverCa.cert });
  const answered = new Promise((resolve) => served.once("data", resolve));
  served.write("GET /healthz HTTP/1.1\r\nHost: node\r\n\r\n");
  const ended = [tcp, tls, served].map((socket) => {
    socket.on("error", () => undefined);
    return new Promise((resolve) => socket.once("close", resolve));
  });
  await new Promise((resolve) => tls.once("secureConnect", resolve));
  await answered;
  await Bun.sleep(0);
  // The first one has been accepted by now: it came before these.
  clock.advance(IDLE_TIMEOUT_MS);
  await Promise.all(ended);
});

test("an address that is taken is told, and the other Nodes' listeners go too", async () => {
  await using first = await kubeletWorld();
  const taken = first.api.listening[0]?.port ?? 0;
  const free = await freePort();
  const failure = await kubeletWorld(undefined, [free, taken]).catch((error: unknown) => error);
  expect(String(failure)).toContain("EADDRINUSE");
  // The listener that was had is given back.
  await using again = await kubeletWorld(undefined, [free, 0]);
  expect(again.api.listening[0]?.port).toBe(free);
});

async function freePort(): Promise<number> {
  await using world = await kubeletWorld();
  return world.api.listening[0]?.port ?? 0;
}
