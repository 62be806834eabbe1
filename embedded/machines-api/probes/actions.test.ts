/** Probes and hooks against real servers on the loopback; only the way into a Machine is pretended. */
import { afterAll, describe, expect, test } from "bun:test";
import { createServer, type ServerHttp2Stream } from "node:http2";
import { connect, createServer as tcpServer } from "node:net";
import { Duplex } from "node:stream";
import { hostClock } from "#adapters/host/clock.ts";
import { FksError } from "#core/errors.ts";
import type { Handler } from "#core/fly/machine-protocol.ts";
import type { Connection } from "#core/ports/machine-protocol.ts";
import { testCa } from "#test/fakes/kubelet-pki.ts";
import { noRuntime } from "../runtime/none.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { actionsOf } from "./actions.ts";
import type { Outcome } from "./outcome.ts";

const forever = new AbortController().signal;
const closing: (() => unknown)[] = [];
afterAll(async () => {
  for (const close of closing) await close();
});

/** Connects to this host itself; `::1` is the Machine's IPv6 address, 127.0.0.1 its IPv4 one. */
async function dial(
  target: { host: string; port: number },
  signal: AbortSignal,
): Promise<Connection> {
  const socket = connect({ host: target.host, port: target.port, allowHalfOpen: true });
  signal.addEventListener("abort", () => socket.destroy(), { once: true });
  const open = Promise.withResolvers<void>();
  socket.once("connect", open.resolve);
  socket.once("error", () => open.reject(new FksError("Unavailable", "refused")));
  socket.once("close", () => open.reject(new FksError("Unavailable", "closed")));
  await open.promise;
  socket.on("error", () => undefined);
  return Duplex.toWeb(socket);
}

const runtime: Runtime = {
  ...noRuntime(hostClock()),
  kind: "crun",
  dial: (_machine, target, signal) => dial(target, signal),
};
const actions = actionsOf(runtime, hostClock());
const target = {
  id: { machineId: "0a0b0c0d0e0f01", name: "app", attempt: 0 },
  address: { ipv6: "::1", ipv4: "127.0.0.1" },
};

const found = (handler: Handler, timeoutMs = 2_000): Promise<Outcome> =>
  actions.probe(handler, target, timeoutMs, forever);

function served(
  fetch: (request: Request) => Response | Promise<Response>,
  options: { readonly hostname?: string; readonly tls?: { key: string; cert: string } } = {},
): number {
  const server = Bun.serve({ hostname: "::1", ...options, port: 0, fetch, idleTimeout: 0 });
  closing.push(() => server.stop(true));
  return server.port ?? 0;
}

function http(port: number, path = "/", changes: object = {}): Handler {
  return { kind: "http", scheme: "http", port, path, headers: [], ...changes };
}

async function freePort(): Promise<number> {
  const server = tcpServer();
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, "::1", resolve);
  await promise;
  const address = server.address();
  await new Promise((done) => server.close(done));
  return typeof address === "object" && address !== null ? address.port : 0;
}

describe("http", () => {
  test("200 to 399 is a success, the rest a failure in the kubelet's words", async () => {
    const port = served((request) => {
      const status = Number(new URL(request.url).searchParams.get("status"));
      return new Response("body", { status });
    });
    expect(await found(http(port, "/x?status=200"))).toEqual({ is: "success" });
    expect(await found(http(port, "/x?status=399"))).toEqual({ is: "success" });
    for (const status of [400, 404, 500]) {
      expect(await found(http(port, `x?status=${status}`))).toEqual({
        is: "failure",
        message: `HTTP probe failed with statuscode: ${status}`,
      });
    }
  });

  test("it comes as kube-probe, with the headers given, the Host included", async () => {
    let seen: Headers | undefined;
    const port = served((request) => {
      seen = request.headers;
      return new Response();
    });
    await found(http(port));
    expect(seen?.get("user-agent")).toBe("kube-probe/1.36");
    expect(seen?.get("accept")).toBe("*/*");
    expect(seen?.get("host")).toBe(`[::1]:${port}`);
    const headers = [
      { name: "Host", value: "shop.example" },
      { name: "User-Agent", value: "mine" },
      { name: "X-Token", value: "a\r\nInjected: b" },
    ];
    await found(http(port, "/", { headers }));

    expect(seen?.get("host")).toBe("shop.example");
    expect(seen?.get("user-agent")).toBe("mine");
    expect(seen?.get("x-token")).toBe("a Injected: b");
    expect(seen?.has("injected")).toBe(false);
  });

  test("a redirect on the same host is followed, one elsewhere is a success with a warning", async () => {
    const port = served((request) => {
      const { pathname } = new URL(request.url);
      if (pathname === "/ill") return new Response("", { status: 500 });
      if (pathname === "/loop")
        return new Response("", { status: 302, headers: { location: "/loop" } });
      const location = pathname === "/local" ? "/ill" : "http://example.com/";
      return new Response("moved", { status: 302, headers: { location } });
    });
    expect(await found(http(port, "/local"))).toMatchObject({ is: "failure" });
    expect(await found(http(port, "/away"))).toEqual({
      is: "warning",
      message: "Probe terminated redirects, Response body: moved",
    });
    expect(await found(http(port, "/loop"))).toMatchObject({
      is: "failure",
      message: expect.stringContaining("stopped after 10 redirects"),
    });
  });

  test("any certificate is believed", async () => {
    const tls = await (await testCa("strange")).server("192.0.2.1", { expired: true });
    const port = served(() => new Response("", { status: 204 }), { tls });

    expect(await found(http(port, "/", { scheme: "https" }))).toEqual({ is: "success" });
  });

  test("nobody there, no answer in time and an answer that is none are failures", async () => {
    const port = await freePort();
    expect(await found(http(port, "/h"))).toEqual({
      is: "failure",
      message: `Get "http://[::1]:${port}/h": dial tcp [::1]:${port}: connect: connection refused`,
    });
    const slow = served(() => new Promise<Response>(() => undefined));
    expect(await found(http(slow), 50)).toEqual({
      is: "failure",
      message: `Get "http://[::1]:${slow}/": context deadline exceeded (Client.Timeout exceeded while awaiting headers)`,
    });
    const noise = tcpServer((socket) => socket.end("SSH-2.0-x\r\n"));
    await new Promise<void>((done) => noise.listen(0, "::1", done));
    closing.push(() => noise.close());
    const address = noise.address();
    const noisy = typeof address === "object" && address !== null ? address.port : 0;
    expect(await found(http(noisy))).toMatchObject({
      message: expect.stringContaining("malformed HTTP response"),
    });
  });

  test("a server that knows only IPv4 is found at the private address", async () => {
    const port = served(() => new Response(), { hostname: "127.0.0.1" });

    expect(await found(http(port))).toEqual({ is: "success" });
    expect(await found({ kind: "tcp", port })).toEqual({ is: "success" });
  });
});

describe("tcp", () => {
  test("who accepts is well, who refuses is not", async () => {
    const port = served(() => new Response());
    expect(await found({ kind: "tcp", port })).toEqual({ is: "success" });
    expect(await found({ kind: "tcp", host: "::1", port })).toEqual({ is: "success" });
    const closed = await freePort();

    expect(await found({ kind: "tcp", port: closed })).toEqual({
      is: "failure",
      message: `dial tcp [::1]:${closed}: connect: connection refused`,
    });
  });
});

/** A health service that answers with this message, or ends the call without one. */
async function healthServer(
  answer: Uint8Array | undefined,
): Promise<{ port: number; asked(): string }> {
  const asked: Buffer[] = [];
  const server = createServer();
  server.on("stream", (stream: ServerHttp2Stream, headers) => {
    asked.push(Buffer.from(String(headers[":path"])));
    stream.on("data", (chunk: Buffer) => asked.push(chunk));
    stream.on("end", () => {
      if (answer === undefined) {
        stream.respond(
          { ":status": 200, "content-type": "application/grpc", "grpc-status": "12" },
          { endStream: true },
        );
        return;
      }
      stream.respond(
        { ":status": 200, "content-type": "application/grpc" },
        { waitForTrailers: true },
      );
      stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
      stream.end(Buffer.concat([Buffer.from([0, 0, 0, 0, answer.length]), answer]));
    });
  });
  await new Promise<void>((done) => server.listen(0, "::1", done));
  closing.push(() => server.close());
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return { port, asked: () => Buffer.concat(asked).toString("latin1") };
}

describe("grpc", () => {
  test("only SERVING is a success, and the service is named", async () => {
    const well = await healthServer(Buffer.from([0x08, 1]));
    expect(await found({ kind: "grpc", port: well.port, service: "shop" })).toEqual({
      is: "success",
    });
    expect(well.asked()).toBe("/grpc.health.v1.Health/Check\0\0\0\0\x06\n\x04shop");
    const ill = await healthServer(Buffer.from([0x08, 2]));

    expect(await found({ kind: "grpc", port: ill.port, service: "" })).toEqual({
      is: "failure",
      message: 'service unhealthy (responded with "NOT_SERVING")',
    });
  });

  test("a server without the health protocol is a failure, and so is none", async () => {
    const other = await healthServer(undefined);
    expect(await found({ kind: "grpc", port: other.port, service: "" })).toMatchObject({
      message: expect.stringContaining("does not implement the grpc health protocol"),
    });
    const port = await freePort();

    expect(await found({ kind: "grpc", port, service: "" })).toMatchObject({
      message: expect.stringContaining("connection refused"),
    });
  });
});

function run(
  exec: Runtime["exec"],
  command: readonly string[],
  timeoutMs = 1_000,
): Promise<Outcome> {
  const handler = { kind: "exec", command } as const;
  return actionsOf({ ...runtime, exec }, hostClock()).probe(handler, target, timeoutMs, forever);
}

const failing: Runtime["exec"] = async (_id, { stdout, stderr }) => {
  for (const stream of [stdout, stderr]) {
    const writer = stream?.getWriter();
    await writer?.write(Buffer.from("x".repeat(6_000)));
    await writer?.close();
  }
  return { exitCode: 1 };
};

const slow: Runtime["exec"] = (_id, _request, signal) =>
  new Promise((_resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });

describe("exec", () => {
  test("the exit code decides, and both outputs together are the message, up to 10 KiB", async () => {
    const outcome = await run(failing, ["check"]);
    expect(outcome).toMatchObject({ is: "failure", message: "x".repeat(10_240) });
    expect(await run(async () => ({ exitCode: 0 }), ["check"])).toEqual({ is: "success" });
  });

  test("a command that takes too long is a failure, one that cannot be run is no result", async () => {
    expect(await run(slow, ["sh", "-c", "sleep 9"], 20)).toEqual({
      is: "failure",
      message: 'command timed out: "sh -c sleep 9" timed out after 20ms',
    });
    const broken = run(() => Promise.reject(new FksError("Conflict", "it ended")), ["x"]);
    expect(await broken.catch(String)).toContain("it ended");
  });
});

test("a hook is content with any answer, and a sleep can be cut", async () => {
  const port = served(() => new Response("", { status: 500 }));
  expect(await actions.hook(http(port), target, forever)).toEqual({ is: "success" });
  const nobody = actions.hook(http(await freePort()), target, forever);
  expect(await nobody.catch(String)).toContain("refused");
  const cut = AbortSignal.timeout(10);
  const sleeping = actions.hook({ kind: "sleep", seconds: 60 }, target, cut);

  expect(await sleeping.then(() => "slept").catch(() => "cut")).toBe("cut");
});
