import { afterEach, expect, test } from "bun:test";
import { connect, createServer, type Socket } from "node:net";
import type { EdgeListener } from "#core/edge/edge-plan.ts";
import type { Endpoint } from "#core/edge/proxy-protocol.ts";
import { edgeListeners } from "./edge-listeners.ts";

const opened: (() => unknown)[] = [];
afterEach(() => {
  for (const close of opened.splice(0)) close();
});

async function listening(answer: (socket: Socket) => void): Promise<number> {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    answer(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  opened.push(() => server.close());
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

/** One that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

function said(port: number): Promise<string> {
  const socket = connect({ host: "127.0.0.1", port });
  const { promise, resolve } = Promise.withResolvers<string>();
  let text = "";
  socket.on("data", (chunk) => (text += String(chunk)));
  socket.on("error", () => {}).on("close", () => resolve(text));
  return promise;
}

const at = (port: number): readonly Endpoint[] => [{ address: "127.0.0.1", port }];

function edge(endpoints: () => readonly (readonly Endpoint[])[]) {
  const sockets = edgeListeners({ addresses: ["127.0.0.1"], endpointsOf: endpoints });
  opened.push(() => sockets.close());
  const hold = (listener: Partial<EdgeListener> & { readonly port: number }) =>
    sockets.hold(
      new Map([
        [listener.port, { service: "default/web", portName: "", sourceRanges: [], ...listener }],
      ]),
    );
  return { sockets, hold };
}

test("connections go to the endpoint with the fewest, and on when one refuses", async () => {
  const holding: Socket[] = [];
  const [one, two] = await Promise.all(
    ["one", "two"].map((name) =>
      listening((socket) => {
        holding.push(socket);
        socket.write(name);
      }),
    ),
  );
  const { hold } = edge(() => [at(1), at(one ?? 0), at(two ?? 0)]);
  const port = await freePort();
  expect(hold({ port }).size).toBe(0);

  const clients = Array.from({ length: 6 }, () => connect({ host: "127.0.0.1", port }));
  const heard = await Promise.all(
    clients.map(
      (client) => new Promise((resolve) => client.once("data", (it) => resolve(String(it)))),
    ),
  );
  expect(new Set(heard)).toEqual(new Set(["one", "two"]));
  for (const socket of [...clients, ...holding]) socket.destroy();
});

test("a port that is given up, or taken by another process, is not there", async () => {
  const backend = await listening((socket) => void socket.end("hi"));
  const { sockets, hold } = edge(() => [at(backend)]);
  const port = await freePort();
  hold({ port });
  expect(await said(port)).toBe("hi");
  sockets.hold(new Map());
  expect(await said(port)).toBe("");

  const failures = hold({ port: backend });
  expect(failures.get(backend)).toContain("is taken");
});

test("who is not in the ranges of the Service is not let in; the endpoint may be told who comes", async () => {
  const backend = await listening((socket) => {
    socket.once("data", (chunk) => socket.end(String(chunk)));
  });
  const { hold } = edge(() => [at(backend)]);
  const port = await freePort();
  hold({ port, sourceRanges: ["10.0.0.0/8"] });
  expect(await said(port)).toBe("");
  hold({ port, sourceRanges: ["127.0.0.0/8"], proxyProtocol: "v1" });
  expect(await said(port)).toMatch(/^PROXY TCP4 127\.0\.0\.1 127\.0\.0\.1 \d+ \d+\r\n$/);
});

test("a Service without endpoints resets its callers", async () => {
  const { hold } = edge(() => []);
  const port = await freePort();
  hold({ port });
  expect(await said(port)).toBe("");
});
