import { afterEach, describe, expect, test } from "bun:test";
import { connect, createServer, type Server, type Socket } from "node:net";
import { type Destination, type TcpProxy, tcpProxy } from "./tcp-proxy.ts";

const opened: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of opened.splice(0)) await one[Symbol.asyncDispose]();
});

async function backend(answer: (socket: Socket) => void): Promise<number> {
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => {});
    answer(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  opened.push({
    async [Symbol.asyncDispose]() {
      server.close();
    },
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

const echo = (socket: Socket): void => void socket.pipe(socket);
const to = (...ports: number[]): Destination => ({
  targets: ports.map((port) => ({ address: "127.0.0.1", port })),
  release() {},
});

function proxyTo(
  choose: Parameters<typeof tcpProxy>[0]["choose"],
  more: Partial<Parameters<typeof tcpProxy>[0]> = {},
): TcpProxy {
  const proxy = tcpProxy({ hostname: "127.0.0.1", port: 0, choose, ...more });
  opened.push({ [Symbol.asyncDispose]: () => proxy.close(0) });
  return proxy;
}

function dial({ port }: TcpProxy): Socket {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  socket.on("error", () => {});
  return socket;
}

/** Everything that comes until the other side ends; undefined after a reset. */
async function allFrom(socket: Socket): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of socket) chunks.push(Buffer.from(chunk));
    return Buffer.concat(chunks);
  } catch {
    return undefined;
  }
}

test("bytes go both ways unharmed, however many at once", async () => {
  const port = await backend(echo);
  const proxy = proxyTo(async () => to(port));
  const bytes = crypto.getRandomValues(new Uint8Array(65_536));
  const sent = Buffer.concat(Array.from({ length: 64 }, () => bytes));
  const results = await Promise.all(
    Array.from({ length: 20 }, async () => {
      const socket = dial(proxy);
      socket.end(sent);
      return allFrom(socket);
    }),
  );
  for (const came of results) expect(came?.equals(sent)).toBe(true);
});

describe("a connection that is closed on one side", () => {
  test("by the client still brings the answer", async () => {
    const port = await backend((socket) => {
      socket.on("end", () => setTimeout(() => socket.end("late"), 50)).resume();
    });
    const socket = dial(proxyTo(async () => to(port)));
    socket.end("question");
    expect((await allFrom(socket))?.toString()).toBe("late");
  });

  test("by the server still takes what the client sends", async () => {
    const { promise, resolve } = Promise.withResolvers<string>();
    const port = await backend((socket) => {
      socket.end("go");
      void allFrom(socket).then((bytes) => resolve(String(bytes)));
    });
    const socket = dial(proxyTo(async () => to(port)));
    const said: string[] = [];
    socket.on("data", (chunk) => void said.push(String(chunk)));
    await new Promise((done) => socket.once("end", done));
    expect(said.join("")).toBe("go");
    socket.end("x".repeat(100_000));
    expect((await promise).length).toBe(100_000);
  });

  test("is cut when nothing moves any more", async () => {
    const port = await backend((socket) => void socket.resume());
    const proxy = proxyTo(async () => to(port), { limits: { halfOpenIdleMs: 100 } });
    const socket = dial(proxy);
    socket.end("only this");
    await allFrom(socket);
    expect(proxy.connections()).toBe(0);
  });
});

test("a reset on one side is one on the other", async () => {
  const port = await backend((socket) => void socket.on("data", () => socket.resetAndDestroy()));
  const socket = dial(proxyTo(async () => to(port)));
  socket.write("hello");
  const { promise, resolve } = Promise.withResolvers<boolean>();
  socket.on("close", resolve).resume();
  expect(await promise).toBe(true);
});

test("a reader that is slow stops the sender, and the proxy keeps next to nothing", async () => {
  const total = 200 * 1_024 ** 2;
  let sent = 0;
  const chunk = Buffer.alloc(1_024 ** 2);
  const port = await backend((socket) => {
    const more = (): void => {
      while (sent < total) {
        sent += chunk.length;
        if (!socket.write(chunk)) return void socket.once("drain", more);
      }
      socket.end();
    };
    more();
  });
  const socket = dial(proxyTo(async () => to(port)));
  socket.once("readable", () => {});
  for (let before = -1; before !== sent; await Bun.sleep(100)) before = sent;
  // What kernels hold of two connections, a chunk of ours and two of the test's own.
  expect(sent).toBeLessThan(64 * 1_024 ** 2);
  expect((await allFrom(socket))?.length).toBe(total);
});

describe("a destination", () => {
  test("whose first targets refuse is reached by the next, and told of when none is left", async () => {
    const port = await backend(echo);
    const failures: string[] = [];
    const onUnreachable = (_: unknown, reason: string): void => void failures.push(reason);
    const socket = dial(proxyTo(async () => to(1, 2, port), { onUnreachable }));
    socket.end("hi");
    expect((await allFrom(socket))?.toString()).toBe("hi");
    expect(failures).toEqual([]);

    const refused = dial(proxyTo(async () => to(1), { onUnreachable }));
    refused.end("hi");
    expect(await allFrom(refused)).not.toEqual(Buffer.from("hi"));
    expect(failures).toHaveLength(1);
  });

  test("may take its time, and gets what was sent meanwhile", async () => {
    const port = await backend(echo);
    const { promise, resolve } = Promise.withResolvers<void>();
    const proxy = proxyTo(async () => {
      await promise;
      return { ...to(port), preamble: Buffer.from("PROXY\r\n") };
    });
    const socket = dial(proxy);
    socket.end("early");
    await Bun.sleep(50);
    resolve();
    expect((await allFrom(socket))?.toString()).toBe("PROXY\r\nearly");
  });

  test("is released once, when the connection is over or never came about", async () => {
    const port = await backend(echo);
    let released = 0;
    const counted = (at: number): Destination => ({
      ...to(at),
      release: () => void (released += 1),
    });
    const socket = dial(proxyTo(async () => counted(port)));
    socket.write("hi");
    await new Promise((resolve) => socket.once("data", resolve));
    expect(released).toBe(0);
    socket.end();
    await allFrom(socket);
    expect(released).toBe(1);

    await allFrom(dial(proxyTo(async () => counted(1))));
    expect(released).toBe(2);
  });

  test("that nobody chooses is a reset, one whose client left is not waited for", async () => {
    const none = dial(proxyTo(async () => undefined));
    expect((await allFrom(none))?.length ?? 0).toBe(0);

    const { promise, resolve } = Promise.withResolvers<void>();
    const proxy = proxyTo((_parties, signal) => {
      signal.addEventListener("abort", () => resolve());
      return new Promise(() => {});
    });
    const socket = dial(proxy);
    await new Promise((done) => socket.once("connect", done));
    socket.resetAndDestroy();
    await promise;
  });
});

test("more connections than there is room for are refused", async () => {
  const port = await backend(echo);
  const proxy = proxyTo(async () => to(port), { limits: { maxConnections: 2 } });
  const held = [dial(proxy), dial(proxy)];
  for (const socket of held) {
    socket.write("x");
    await new Promise((resolve) => socket.once("data", resolve));
  }
  expect((await allFrom(dial(proxy)))?.length ?? 0).toBe(0);
  for (const socket of held) socket.destroy();
});

test("a proxy that closes lets connections end, and cuts what remains", async () => {
  const port = await backend(echo);
  const proxy = proxyTo(async () => to(port));
  const [orderly, stubborn] = [dial(proxy), dial(proxy)];
  for (const socket of [orderly, stubborn]) {
    socket.write("x");
    await new Promise((resolve) => socket.once("data", resolve));
  }
  const closing = proxy.close(300);
  orderly.write("y");
  expect(String(await new Promise((resolve) => orderly.once("data", resolve)))).toBe("y");
  orderly.end();
  await closing;
  expect(proxy.connections()).toBe(0);
  await allFrom(stubborn);
});

test("a port that is taken is named", () => {
  const { port } = proxyTo(async () => undefined);
  const again = { hostname: "127.0.0.1", port, choose: async () => undefined };
  expect(() => tcpProxy(again)).toThrow(`127.0.0.1:${port} is taken`);
});
