import { afterAll, beforeAll, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { connect, type TLSSocket } from "node:tls";
import { kubeletWorld } from "#test/fakes/kubelet-world.ts";
import { spdyPeer } from "#test/fakes/spdy-peer.ts";

const SESSIONS = 1_000;
/** Of more handshakes that begin together some never end where a busy host has both ends in one process. */
const AT_ONCE = 4;
/** Sockets of the test's own client may still be on their way out. */
const SLACK = 10;

let world: Awaited<ReturnType<typeof kubeletWorld>>;
let echo: Server;
let echoPort = 0;

beforeAll(async () => {
  world = await kubeletWorld();
  echo = createServer((socket) => socket.on("error", () => undefined).pipe(socket));
  await new Promise<void>((resolve) => {
    echo.listen(0, "127.0.0.1", () => resolve());
  });
  const address = echo.address();
  echoPort = typeof address === "object" && address !== null ? address.port : 0;
});

afterAll(async () => {
  echo.close();
  await world[Symbol.asyncDispose]();
});

const EXEC = "/exec/default/web/app?input=1&output=1&command=";

/** Ways to use the node, each cut in the middle. */
const WAYS: readonly ((number: number) => Promise<TLSSocket>)[] = [
  // A command that waits.
  () => command(`${EXEC}sleep`),
  // A command that writes more than anybody reads.
  () => command(`${EXEC}flood`),
  // A command that reads nothing, with more input than fits.
  async () => {
    const socket = await command(`${EXEC}sleep`);
    socket.write(spdyPeer().data(3, new Uint8Array(600_000)));
    return socket;
  },
  // A container that goes on without whoever was attached.
  () => command("/attach/default/web/app?input=1&output=1"),
  // Streams that never come.
  () => upgraded(`${EXEC}sleep`, "v4.channel.k8s.io"),
  // A connection through to a port.
  async () => {
    const socket = await upgraded("/portForward/default/web", "portforward.k8s.io");
    const peer = spdyPeer();
    const pair = { port: String(echoPort), requestid: "1" };
    socket.write(peer.open(1, { ...pair, streamtype: "error" }));
    socket.write(peer.open(3, { ...pair, streamtype: "data" }));
    socket.write(peer.data(3, "hello"));
    return socket;
  },
  // Logs that are followed.
  () => requested("GET /containerLogs/default/web/app?follow=true HTTP/1.1\r\nHost: node\r\n\r\n"),
];

test("a thousand sessions that are cut leave no descriptor, command or session behind", async () => {
  await inTurns(50);
  const before = openDescriptors();
  await inTurns(SESSIONS);

  expect([world.api.sessions(), world.machines.running()]).toEqual([0, 0]);
  expect(openDescriptors()).toBeLessThanOrEqual(before + SLACK);
  expect(world.log.lines).toEqual([]);
}, 60_000);

async function inTurns(count: number): Promise<void> {
  let next = 0;
  async function worker(): Promise<void> {
    while (next < count) {
      const number = next;
      next += 1;
      const way = WAYS[number % WAYS.length] ?? (() => command(`${EXEC}sleep`));
      // oxlint-disable-next-line no-await-in-loop -- a worker does one after the other
      const socket = await way(number);
      socket.destroy();
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  // oxlint-disable-next-line no-await-in-loop -- the server hears of it a moment later
  while (world.api.sessions() > 0 || world.machines.running() > 0) await Bun.sleep(5);
  await Bun.sleep(50);
}

async function command(path: string): Promise<TLSSocket> {
  const running = world.machines.running();
  const socket = await upgraded(path, "v4.channel.k8s.io");
  const peer = spdyPeer();
  ["error", "stdin", "stdout"].forEach((streamtype, index) => {
    socket.write(peer.open(index * 2 + 1, { streamtype }));
  });
  // Most get as far as running; some are cut while their streams are on the way.
  if (running % 2 === 0) {
    const answered = new Promise((resolve) => socket.once("data", resolve));
    socket.resume();
    await answered;
  }
  return socket;
}

function upgraded(path: string, protocol: string): Promise<TLSSocket> {
  const lines = [
    `POST ${path} HTTP/1.1`,
    "Host: node",
    "Connection: Upgrade",
    "Upgrade: SPDY/3.1",
    `X-Stream-Protocol-Version: ${protocol}`,
  ];
  return requested(`${lines.join("\r\n")}\r\n\r\n`);
}

/** A socket on which the answer to this request has begun. */
function requested(request: string): Promise<TLSSocket> {
  const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>();
  const socket = connect({
    host: "127.0.0.1",
    port: world.api.listening[0]?.port ?? 0,
    ca: world.serverCa.cert,
    ...world.apiServer,
  });
  socket.on("error", reject);
  socket.once("data", () => {
    socket.pause();
    resolve(socket);
  });
  socket.write(request);
  return promise;
}

function openDescriptors(): number {
  return readdirSync("/proc/self/fd").length;
}
