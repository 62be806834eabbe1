import { afterEach, expect, test } from "bun:test";
import { FksError } from "#core/errors.ts";
import type { MachineChange } from "#core/fly/machine-protocol.ts";
import type { Clock } from "#core/ports/clock.ts";
import { fakeClock } from "#test/fakes/clock.ts";
import { machineProtocol } from "./protocol.ts";

type Send = (channel: number, payload: string | Uint8Array) => number;

interface Served {
  readonly http?: (request: Request) => Response | Promise<Response>;
  /** Called for each frame; `undefined` when the socket opened, then with what it received. */
  readonly frame?: (send: Send, close: () => void, frame?: Uint8Array) => void;
  readonly drain?: (send: Send) => void;
  readonly closed?: () => void;
}

const forever = new AbortController().signal;
const REF = { app: "a", id: "0a1b" };
const TOKEN = "s3cr3t-token";
const servers: Bun.Server<undefined>[] = [];

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop(true)));
});

const realClock: Clock = {
  now: () => Date.now(),
  after: (delayMs, fire, signal) => {
    const timer = setTimeout(fire, delayMs);
    signal.addEventListener("abort", () => clearTimeout(timer));
  },
  timeout: (delayMs) => AbortSignal.timeout(delayMs),
};

function sender(ws: Bun.ServerWebSocket): Send {
  return (channel, payload) => ws.send(Buffer.concat([Buffer.of(channel), Buffer.from(payload)]));
}

/** A client of a server of the protocol whose answers a test writes. */
function against(served: Served, clock: Clock = realClock) {
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    idleTimeout: 0,
    fetch(request, upgrader) {
      expect(request.headers.get("authorization")).toBe(`Bearer ${TOKEN}`);
      const headers = { "Sec-WebSocket-Protocol": "v5.channel.k8s.io" };
      if (served.frame !== undefined && upgrader.upgrade(request, { headers })) return undefined;
      return served.http?.(request) ?? new Response("not here", { status: 404 });
    },
    websocket: {
      open: (ws) => served.frame?.(sender(ws), () => ws.close(1000)),
      message: (ws, data) =>
        served.frame?.(
          sender(ws),
          () => ws.close(1000),
          typeof data === "string" ? Buffer.from(data) : data,
        ),
      drain: (ws) => served.drain?.(sender(ws)),
      close: () => served.closed?.(),
      backpressureLimit: 1 << 20,
    },
  });
  servers.push(server);
  return machineProtocol({ baseUrl: `http://127.0.0.1:${server.port}/`, token: TOKEN, clock });
}

function failing(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

function sink() {
  const chunks: Uint8Array[] = [];
  const stream = new WritableStream<Uint8Array>({
    write: (chunk) => {
      chunks.push(chunk);
    },
  });
  return { stream, text: () => Buffer.concat(chunks).toString() };
}

test("exec carries both directions and the exit code", async () => {
  const protocol = against({
    frame(send, close, frame) {
      if (frame?.[0] === 0) send(1, `you said ${Buffer.from(frame.subarray(1)).toString()}`);
      if (frame?.[0] !== 255) return;
      send(2, "bye");
      send(3, '{"exitCode":7}');
      close();
    },
  });
  const [stdout, stderr] = [sink(), sink()];
  const exit = await protocol.exec(
    REF,
    "main",
    {
      command: ["cat"],
      tty: false,
      stdin: new Blob(["hello"]).stream(),
      stdout: stdout.stream,
      stderr: stderr.stream,
    },
    forever,
  );

  expect(exit).toEqual({ exitCode: 7 });
  expect([stdout.text(), stderr.text()]).toEqual(["you said hello", "bye"]);
});

test("a failed exec tells its code, whether before or after the upgrade", async () => {
  const request = { command: ["x"], tty: false };
  const after = against({
    frame(send, close) {
      send(3, '{"error":"container main does not run","code":"Conflict"}');
      close();
    },
  });
  const before = against({
    http: () => Response.json({ error: "no Machine 0a1b", code: "NotFound" }, { status: 404 }),
  });

  expect(FksError.is(await failing(after.exec(REF, "main", request, forever)), "Conflict")).toBe(
    true,
  );
  expect(FksError.is(await failing(before.exec(REF, "main", request, forever)), "NotFound")).toBe(
    true,
  );
});

test("a command whose connection is lost is Unavailable, never exit code 0", async () => {
  const protocol = against({ frame: (_send, close) => close() });
  const failed = await failing(protocol.exec(REF, "main", { command: ["x"], tty: false }, forever));

  expect(FksError.is(failed, "Unavailable")).toBe(true);
});

test("aborting an exec closes its connection", async () => {
  const closed = Promise.withResolvers<void>();
  const opened = Promise.withResolvers<void>();
  const protocol = against({ frame: () => opened.resolve(), closed: () => closed.resolve() });
  const stop = new AbortController();
  const failed = failing(protocol.exec(REF, "main", { command: ["x"], tty: false }, stop.signal));
  await opened.promise;
  stop.abort(new Error("the client hung up"));

  expect(await failed).toEqual(new Error("the client hung up"));
  await closed.promise;
});

test("output nobody takes is not piled up here", async () => {
  let sent = 0;
  const blocked = Promise.withResolvers<void>();
  const block = new Uint8Array(65_536);
  const pump = (send: Send): void => {
    while (sent < 400) {
      const written = send(1, block);
      sent += 1;
      if (written === -1) return blocked.resolve();
    }
  };
  const protocol = against({ frame: pump, drain: pump });
  const taking = Promise.withResolvers<void>();
  const stdout = new WritableStream<Uint8Array>({ write: () => taking.promise });
  const stop = new AbortController();
  const failed = failing(
    protocol.exec(REF, "main", { command: ["yes"], tty: false, stdout }, stop.signal),
  );
  await blocked.promise;
  for (let round = 0; round < 50; round += 1) await new Promise(setImmediate);

  expect(sent).toBeGreaterThan(4);
  expect(sent).toBeLessThan(200);
  stop.abort(new Error("enough"));
  taking.resolve();
  await failed;
});

test("connect closes each direction by itself", async () => {
  const protocol = against({
    frame(send, _close, frame) {
      if (frame?.[0] === 0) send(1, frame.subarray(1));
      if (frame?.[0] !== 255) return;
      send(1, " and the rest");
      send(255, Uint8Array.of(1));
    },
  });
  const { readable, writable } = await protocol.connect(REF, 80, forever);
  const writer = writable.getWriter();
  await writer.write(Buffer.from("request"));
  await writer.close();

  expect(await new Response(readable).text()).toBe("request and the rest");
});

test("a refused connection is Unavailable to its reader", async () => {
  const protocol = against({
    frame(send, close) {
      send(3, '{"error":"connection refused","code":"Unavailable"}');
      close();
    },
  });
  const { readable } = await protocol.connect(REF, 80, forever);

  expect(FksError.is(await failing(new Response(readable).text()), "Unavailable")).toBe(true);
});

test("what Machines use is one answer, and one that is not understood is Unavailable", async () => {
  const container = {
    name: "main",
    startedAt: "2026-01-01T00:00:00Z",
    cpuNanoseconds: 5,
    memoryBytes: 4,
    usageBytes: 3,
    rssBytes: 2,
    pageFaults: 1,
    majorPageFaults: 0,
    processes: 1,
  };
  const machine = { ...REF, at: container.startedAt, containers: [container], volumes: [] };
  const good = against({ http: () => Response.json({ machines: [machine] }) });
  const bad = against({ http: () => Response.json([machine]) });

  expect(await good.usage(forever)).toEqual([machine]);
  expect(FksError.is(await failing(bad.usage(forever)), "Unavailable")).toBe(true);
});

test("logs end by themselves, and break off as Unavailable", async () => {
  const query = Promise.withResolvers<string>();
  const whole = against({
    http(request) {
      query.resolve(new URL(request.url).search);
      return new Response("one\ntwo\n");
    },
  });
  const log = await whole.logs(
    REF,
    "main",
    { tailLines: 0, follow: true, previous: false },
    forever,
  );
  expect(await new Response(log).text()).toBe("one\ntwo\n");
  expect(await query.promise).toBe("?tailLines=0&follow=true");

  const broken = against({
    http: () =>
      new Response(
        new ReadableStream({
          async pull(controller) {
            controller.enqueue(Buffer.from("half a li"));
            await Bun.sleep(5);
            await servers.at(-1)?.stop(true);
          },
        }),
      ),
  });
  const half = await broken.logs(REF, "main", {}, forever);
  expect(FksError.is(await failing(new Response(half).text()), "Unavailable")).toBe(true);
});

function streamOf(...lines: readonly string[]): Response {
  return new Response(
    new ReadableStream({
      start(controller) {
        for (const line of lines) controller.enqueue(Buffer.from(line));
      },
    }),
  );
}

test("a change stream that falls silent is cut after half a minute, a ping keeps it", async () => {
  const clock = fakeClock();
  const protocol = against(
    { http: () => streamOf('{"type":"syn', 'ced"}\n{"type":"ping"}\n') },
    clock,
  );
  const seen: MachineChange[] = [];
  const failed = failing(
    (async () => {
      for await (const change of protocol.watch(forever)) {
        seen.push(change);
        if (change.type === "ping") setImmediate(() => clock.advance(30_000));
      }
    })(),
  );

  expect(FksError.is(await failed, "Unavailable")).toBe(true);
  expect(seen.map(({ type }) => type)).toEqual(["synced", "ping"]);
});

test("a change stream that ends throws; one that was stopped just ends", async () => {
  const protocol = against({ http: () => new Response('{"type":"synced"}\n') });
  const drain = async (signal: AbortSignal, stop?: AbortController) => {
    for await (const _ of protocol.watch(signal)) stop?.abort();
  };
  const stop = new AbortController();

  expect(FksError.is(await failing(drain(forever)), "Unavailable")).toBe(true);
  expect(await failing(drain(stop.signal, stop))).toBeUndefined();
});

test("an answer that is no report is Unavailable, a wrong token Unauthorized", async () => {
  const odd = against({ http: () => Response.json({ revision: "many" }) });
  const refused = against({ http: () => new Response("", { status: 401 }) });

  expect(FksError.is(await failing(odd.report(REF, forever)), "Unavailable")).toBe(true);
  expect(FksError.is(await failing(refused.report(REF, forever)), "Unauthorized")).toBe(true);
});

test("a server that has no way to free anything is no failure, one that fails at it is", async () => {
  await against({}).reclaim(forever);
  const full = against({
    http: () => Response.json({ error: "disk", code: "Unavailable" }, { status: 503 }),
  });
  const failure = await full.reclaim(forever).catch((error: unknown) => error);
  expect(FksError.is(failure, "Unavailable")).toBe(true);
});
