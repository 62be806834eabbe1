import { afterEach, describe, expect, test } from "bun:test";
import { statSync } from "node:fs";
import { join } from "node:path";
import { FksError } from "#core/errors.ts";
import { fakeClock } from "#test/fakes/clock.ts";
import { memoryLog } from "#test/fakes/log.ts";
import type { ImageRequest, Images } from "./images/images.ts";
import { noImages } from "./runtime/no-images.ts";
import { noRuntime } from "./runtime/none.ts";
import type { Runtime } from "./runtime/runtime.ts";
import {
  type Answer,
  type OpenApi,
  type OpenOptions,
  openApi,
  PROTOCOL_TOKEN,
  until,
} from "./testing/open-api.ts";
import { POD_METADATA } from "./testing/records.ts";

const opened: OpenApi[] = [];
afterEach(async () => {
  for (const api of opened.splice(0)) await api.close();
});

interface World {
  readonly api: OpenApi;
  readonly clock: ReturnType<typeof fakeClock>;
}

async function world(
  options: Partial<OpenOptions> & { readonly clock?: World["clock"] } = {},
): Promise<World> {
  const clock = options.clock ?? fakeClock();
  const api = await openApi({ log: memoryLog(), ...options, clock });
  opened.push(api);
  return { api, clock };
}

const EMPTY = { containers: {}, volumes: {} };
const machinePath = (id: string): string => `/fks/v1/apps/demo/machines/${id}`;

function pod(container: object = {}, config: object = {}): Record<string, unknown> {
  const app = { name: "app", image: "web:1", restart: { policy: "always" }, ...container };
  return { name: "web", config: { metadata: POD_METADATA, containers: [app], ...config } };
}

/** The report, once its one container is in this state. */
function reported(api: OpenApi, id: string, state: string): Promise<Answer> {
  return until(async () => {
    const answer = await api.call("GET", machinePath(id));
    return answer.field("containers", 0, "state", state) === undefined ? undefined : answer;
  });
}

async function delivered(api: OpenApi, body = pod(), bundle: object = EMPTY): Promise<string> {
  const id = await api.create(body);
  expect((await api.call("PUT", `${machinePath(id)}/bundle`, bundle)).status).toBe(204);
  return id;
}

function volumeFile(path: string, text: string): object {
  return { path, mode: 0o644, content: btoa(text) };
}

describe("bundles", () => {
  test("a Machine waits for its bundle with its network up, and runs once it came", async () => {
    const { api } = await world();
    const id = await api.create(pod());
    const waiting = await until(async () => {
      const answer = await api.call("GET", machinePath(id));
      return answer.field("networkReadyAt") === undefined ? undefined : answer;
    });
    expect(waiting.json).toMatchObject({
      awaits: "bundle",
      containers: [{ state: { waiting: { reason: "ContainerCreating" } }, containerID: "" }],
    });
    await api.call("PUT", `${machinePath(id)}/bundle`, EMPTY);
    const running = await reported(api, id, "running");

    expect(running.field("awaits")).toBeUndefined();
    expect(running.field("containers", 0, "containerID")).toBe(`fks://${id}-app-0`);
  });

  test("a bundle is one file of 0600 in a folder of 0700, and in no database or answer", async () => {
    const { api } = await world();
    const env = [{ name: "PASSWORD", value: "s3cr3t" }];
    const id = await delivered(api, pod(), { containers: { app: { env } }, volumes: {} });
    await reported(api, id, "running");
    const folder = join(api.dir, "run", "bundles");

    expect(statSync(join(folder, `${id}.json`)).mode & 0o777).toBe(0o600);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    for (const file of ["machines.db", "machines.db-wal"]) {
      expect(await Bun.file(join(api.dir, file)).text()).not.toContain("s3cr3t");
    }
    await api.call("DELETE", `/v1/apps/demo/machines/${id}?force=true`);
    await until(async () => !(await Bun.file(join(folder, `${id}.json`)).exists()) || undefined);
  });

  test("files of a volume change in the running container, and nothing leads out of it", async () => {
    const { api } = await world();
    const bundle = { containers: {}, volumes: { token: [volumeFile("token", "one")] } };
    const id = await delivered(api, pod({ mounts: [{ name: "token", path: "/run/t" }] }), bundle);
    await reported(api, id, "running");
    const cat = async (): Promise<unknown> => {
      const body = { command: ["cat", "/run/t/token"] };
      return (await api.call("POST", `/v1/apps/demo/machines/${id}/exec`, body)).field("stdout");
    };
    expect(await cat()).toBe("one");
    const put = (volume: string, files: readonly object[]): Promise<Answer> =>
      api.call("PUT", `${machinePath(id)}/volumes/${volume}`, files);
    expect((await put("token", [volumeFile("token", "two")])).status).toBe(204);
    expect(await cat()).toBe("two");

    expect((await put("other", [])).field("code")).toBe("NotFound");
    for (const path of ["../x", "/x", "a/../../x", ""]) {
      expect((await put("token", [volumeFile(path, "")])).status).toBe(400);
    }
  });

  test("lines for the hosts file are written before the first start, whenever the bundle comes", async () => {
    const clock = fakeClock();
    const runtime = noRuntime(clock);
    const gate = Promise.withResolvers<void>();
    const hosts: string[] = [];
    const { api } = await world({
      clock,
      runtime: {
        ...runtime,
        async prepare(spec, signal) {
          hosts.push(spec.hosts.some(({ ip }) => ip === "10.9.8.7") ? "all" : "own");
          await gate.promise;
          return runtime.prepare(spec, signal);
        },
        start(spec, signal) {
          hosts.push("start");
          return runtime.start(spec, signal);
        },
      },
    });
    const id = await api.create(pod());
    await until(() => hosts.length > 0 || undefined);
    const bundle = { ...EMPTY, hosts: [{ ip: "10.9.8.7", hostnames: ["db"] }] };
    await api.call("PUT", `${machinePath(id)}/bundle`, bundle);
    gate.resolve();
    await reported(api, id, "running");

    expect(hosts).toEqual(["own", "all", "start"]);
  });

  test("a Machine that is being destroyed takes no bundle", async () => {
    const { api } = await world();
    const id = await delivered(api);
    await api.call("DELETE", `/v1/apps/demo/machines/${id}?force=true`);

    expect((await api.call("PUT", `${machinePath(id)}/bundle`, EMPTY)).field("code")).toBe(
      "Conflict",
    );
  });
});

/** Images that cannot be had until `heals`. */
function brokenImages(error: Error): Images & { heal(): void; readonly asked: ImageRequest[] } {
  const asked: ImageRequest[] = [];
  let isBroken = true;
  return {
    ...noImages(),
    asked,
    heal: () => void (isBroken = false),
    async ensure(request, signal) {
      asked.push(request);
      if (isBroken) throw error;
      return noImages().ensure(request, signal);
    },
  };
}

test("a bundle may have the files of many objects at their largest", async () => {
  const { api } = await world();
  const id = await delivered(api);
  const content = "A".repeat(40 * 2 ** 20);
  const bundle = { containers: {}, volumes: { v: [{ path: "f", mode: 0o644, content }] } };

  expect((await api.call("PUT", `${machinePath(id)}/bundle`, bundle)).status).toBe(204);
});

describe("containers", () => {
  test("a crash loop is told in the kubelet's words and goes on by itself", async () => {
    const { api, clock } = await world();
    const id = await delivered(api, pod({ cmd: ["exit", "3"] }));
    const waiting = await reported(api, id, "waiting");
    expect(waiting.json).toMatchObject({
      containers: [
        {
          restartCount: 1,
          state: {
            waiting: {
              reason: "CrashLoopBackOff",
              message: "back-off 10s restarting failed container=app pod=web_shop(uid-1)",
            },
          },
          lastState: { terminated: { exitCode: 3, reason: "Error" } },
        },
      ],
    });
    clock.advance(10_000);
    const later = await until(async () => {
      const answer = await api.call("GET", machinePath(id));
      return answer.field("containers", 0, "restartCount") === 2 ? answer : undefined;
    });
    expect(later.field("revision")).toBeGreaterThan(Number(waiting.field("revision")));
  });

  test("an image that comes back is pulled after the back-off", async () => {
    const images = brokenImages(new FksError("Unavailable", "no route to host"));
    const { api, clock } = await world({ images });
    const app = { imagePullPolicy: "Always" };
    const id = await delivered(api, pod(), { containers: { app }, volumes: {} });
    const reasonIs = (reason: string): Promise<Answer> =>
      until(async () => {
        const answer = await api.call("GET", machinePath(id));
        const shown = answer.field("containers", 0, "state", "waiting", "reason");
        return shown === reason ? answer : undefined;
      });
    const failed = await reasonIs("ErrImagePull");
    expect(failed.field("events", 0, "message")).toBe('Pulling image "web:1"');
    clock.advance(1_000);
    await reasonIs("ImagePullBackOff");
    images.heal();
    clock.advance(9_000);
    await reported(api, id, "running");

    expect(images.asked).toEqual(
      Array.from({ length: 2 }, () => ({ reference: "web:1", pullPolicy: "Always" })),
    );
  });

  test("an image that may not be pulled is ErrImageNeverPull", async () => {
    const images = brokenImages(new FksError("NotFound", "ErrImageNeverPull: web:1 is not here"));
    const { api } = await world({ images });
    const id = await delivered(api);
    const waiting = await until(async () => {
      const answer = await api.call("GET", machinePath(id));
      return answer.field("events", 0) === undefined ? undefined : answer;
    });

    expect(waiting.field("containers", 0, "state", "waiting")).toEqual({
      reason: "ErrImageNeverPull",
      message: 'Container image "web:1" is not present with pull policy of Never',
    });
  });

  test("a mount of nothing is CreateContainerConfigError, until an update cures it", async () => {
    const { api } = await world();
    const id = await delivered(api, pod({ mounts: [{ name: "gone", path: "/x" }] }));
    const refused = await until(async () => {
      const answer = await api.call("GET", machinePath(id));
      return answer.field("events", 0) === undefined ? undefined : answer;
    });
    expect(refused.field("containers", 0, "state", "waiting", "reason")).toBe(
      "CreateContainerConfigError",
    );
    await api.call("POST", `/v1/apps/demo/machines/${id}`, { config: pod()["config"] });

    await reported(api, id, "running");
  });
});

describe("logs", () => {
  test("of a container that ended, of the one before it, and of one that never ran", async () => {
    const { api } = await world();
    const id = await api.create(
      pod({ cmd: ["echo", "hello", "world"], restart: { policy: "no" } }),
    );
    const logs = (query = ""): Promise<Answer> =>
      api.call("GET", `${machinePath(id)}/containers/app/logs${query}`);
    expect((await logs()).field("code")).toBe("Conflict");
    await api.call("PUT", `${machinePath(id)}/bundle`, EMPTY);
    await reported(api, id, "terminated");

    expect((await logs()).text).toBe("hello world\n");
    expect((await logs("?tailLines=0")).text).toBe("");
    expect((await logs("?previous=true")).field("code")).toBe("NotFound");
    expect((await logs("?tailLines=x")).field("code")).toBe("InvalidInput");
  });
});

/** Lines as they come, read one at a time. */
async function* lines(api: OpenApi, signal: AbortSignal): AsyncGenerator<Record<string, unknown>> {
  const headers = { authorization: `Bearer ${PROTOCOL_TOKEN}` };
  const { body } = await fetch(`${api.url}/fks/v1/watch`, { headers, signal });
  const decoder = new TextDecoder();
  let rest = "";
  for await (const bytes of body ?? []) {
    const parts = (rest + decoder.decode(bytes, { stream: true })).split("\n");
    rest = parts.pop() ?? "";
    for (const part of parts) yield JSON.parse(part);
  }
}

test("what started Machines use is told at once; one that cannot be asked is left out", async () => {
  const clock = fakeClock();
  const runtime = noRuntime(clock);
  const { api } = await world({
    clock,
    runtime: {
      ...runtime,
      stats: (id, signal) =>
        id === broken
          ? Promise.reject(new FksError("NotFound", "it is gone"))
          : runtime.stats(id, signal),
    },
  });
  const id = await delivered(api);
  const broken = await delivered(api, { ...pod(), name: "broken" });
  for (const machine of [id, broken]) await reported(api, machine, "running");
  await until(async () => {
    const { json } = await api.call("GET", "/fks/v1/stats");
    const containers = [{ name: "app", startedAt: "1970-01-01T00:00:00.000Z", processes: 1 }];
    expect(json).toMatchObject({ machines: [{ app: "demo", id, containers }] });
    return true;
  });
});

describe("the change stream", () => {
  test("what is there, synced, each change in order, destroyed, gone, and pings when it is quiet", async () => {
    const { api, clock } = await world();
    const first = await delivered(api);
    await reported(api, first, "running");
    const stop = new AbortController();
    const stream = lines(api, stop.signal);
    const next = async (): Promise<Record<string, unknown>> => (await stream.next()).value ?? {};
    expect(await next()).toMatchObject({ type: "machine", app: "demo", machine: { id: first } });
    expect(await next()).toEqual({ type: "synced" });

    const ping = next();
    await until(() => {
      clock.advance(1_000);
      return Bun.peek.status(ping) === "pending" ? undefined : true;
    });
    expect(await ping).toEqual({ type: "ping" });

    await api.call("DELETE", `/v1/apps/demo/machines/${first}?force=true`);
    let line = await next();
    while (line["type"] !== "machine" || !JSON.stringify(line).includes('"state":"destroyed"'))
      line = await next();
    let last = await next();
    while (last["type"] === "ping") last = await next();
    expect(last).toEqual({ type: "gone", app: "demo", id: first });
    stop.abort();
  });

  test("a reader that does not read gets the newest state, not a queue of old ones", async () => {
    const { api } = await world();
    const id = await delivered(api);
    await reported(api, id, "running");
    const stop = new AbortController();
    const stream = lines(api, stop.signal);
    await stream.next();
    const big = "x".repeat(4_000);
    for (let n = 1; n <= 3_000; n += 1) {
      const { json } = await api.call("POST", `/v1/apps/demo/machines/${id}/cordon`);
      if (n === 1) expect(json).toEqual({ ok: true });
      if (n % 1_000 === 0) {
        await api.call("POST", `/v1/apps/demo/machines/${id}/metadata/n`, { value: `${big}${n}` });
      }
    }
    let seen = 0;
    for await (const line of stream) {
      seen += 1;
      if (JSON.stringify(line).includes(`${big}3000`)) break;
    }
    stop.abort();

    expect(seen).toBeLessThan(3_000);
  });
});

/** A WebSocket of the protocol; what came is kept by channel. */
function socketTo(
  api: OpenApi,
  path: string,
): {
  readonly channels: Map<number, string>;
  readonly send: (channel: number, text: string | Uint8Array) => void;
  readonly closed: Promise<number>;
  readonly socket: WebSocket;
} {
  const socket = new WebSocket(`${api.url.replace("http", "ws")}${path}`, {
    protocols: ["v5.channel.k8s.io"],
    headers: { authorization: `Bearer ${PROTOCOL_TOKEN}` },
  });
  socket.binaryType = "arraybuffer";
  const channels = new Map<number, string>();
  const waiting: Uint8Array[] = [];
  const closed = Promise.withResolvers<number>();
  socket.addEventListener("open", () => waiting.forEach((bytes) => socket.send(bytes)));
  socket.addEventListener("close", ({ code }) => closed.resolve(code));
  socket.addEventListener("message", ({ data }) => {
    const [channel = 255, ...payload] = new Uint8Array(data);
    channels.set(channel, (channels.get(channel) ?? "") + Buffer.from(payload).toString());
  });
  return {
    channels,
    closed: closed.promise,
    socket,
    send(channel, text) {
      const bytes = new Uint8Array([channel, ...Buffer.from(text)]);
      if (socket.readyState === WebSocket.OPEN) socket.send(bytes);
      else waiting.push(bytes);
    },
  };
}

/** A command that runs until nobody wants it, and tells why it ended. */
function untilAborted(ended: PromiseWithResolvers<unknown>): Runtime["exec"] {
  return (_id, _request, signal) =>
    new Promise((_resolve, reject) => {
      signal.addEventListener("abort", () => {
        ended.resolve(signal.reason);
        reject(signal.reason);
      });
    });
}

const CLOSE_STDIN = new Uint8Array([0]);

describe("WebSockets", () => {
  test("exec carries its streams apart, then its end, then closes", async () => {
    const { api } = await world();
    const id = await delivered(api);
    await reported(api, id, "running");
    const query = new URLSearchParams({ stdin: "true", stdout: "true", stderr: "true" });
    for (const word of ["sh", "-c", "cat; echo err >&2; exit 7"]) query.append("command", word);
    const { channels, send, closed } = socketTo(
      api,
      `${machinePath(id)}/containers/app/exec?${query.toString()}`,
    );
    send(0, "typed");
    send(255, CLOSE_STDIN);

    expect(await closed).toBe(1_000);
    expect(channels.get(1)).toBe("typed");
    expect(channels.get(2)).toBe("err\n");
    expect(JSON.parse(channels.get(3) ?? "")).toEqual({ exitCode: 7 });
  });

  test("attach carries the container's own streams, and tells its end", async () => {
    const { api } = await world();
    const id = await delivered(api, pod({ restart: { policy: "no" } }));
    await reported(api, id, "running");
    const path = `${machinePath(id)}/containers/app/attach?stdin=true&stdout=true`;
    const leaving = socketTo(api, path);
    leaving.send(0, "typed");
    await until(async () => leaving.channels.get(1));
    leaving.socket.close();
    await leaving.closed;
    await reported(api, id, "running");

    const staying = socketTo(api, path);
    staying.send(0, "again");
    await until(async () => staying.channels.get(1));
    await api.call("POST", `/v1/apps/demo/machines/${id}/stop`, { signal: "SIGTERM" });
    expect(await staying.closed).toBe(1_000);
    expect(staying.channels.get(1)).toBe("again");
    expect(JSON.parse(staying.channels.get(3) ?? "")).toEqual({ exitCode: 143, signal: 15 });
  });

  test("connect carries bytes both ways and ends with its sides; a refusal is told", async () => {
    const { api } = await world();
    const id = await delivered(api);
    await reported(api, id, "running");
    const echo = socketTo(api, `${machinePath(id)}/connect?port=7`);
    echo.send(0, "ping");
    echo.send(255, CLOSE_STDIN);
    expect(await echo.closed).toBe(1_000);
    expect(echo.channels.get(1)).toBe("ping");

    const refused = socketTo(api, `${machinePath(id)}/connect?port=9`);
    await refused.closed;
    expect(JSON.parse(refused.channels.get(3) ?? "")).toMatchObject({ code: "Unavailable" });
  });

  test("a client that goes away ends what it started", async () => {
    const clock = fakeClock();

    const ended = Promise.withResolvers<unknown>();
    const { api } = await world({
      clock,
      runtime: { ...noRuntime(clock), exec: untilAborted(ended) },
    });
    const id = await delivered(api);
    await reported(api, id, "running");
    const { socket } = socketTo(
      api,
      `${machinePath(id)}/containers/app/exec?command=cat&stdout=true`,
    );
    socket.addEventListener("open", () => socket.close());

    expect(await ended.promise).toMatchObject({ message: "the client went away" });
  });

  test("input nobody reads stays with the client, and its going away is noticed all the same", async () => {
    const clock = fakeClock();
    const ended = Promise.withResolvers<unknown>();
    const { api } = await world({
      clock,
      runtime: { ...noRuntime(clock), exec: untilAborted(ended) },
    });
    const id = await delivered(api);
    await reported(api, id, "running");
    const path = `${machinePath(id)}/containers/app/exec?command=cat&stdin=true`;
    const { socket } = socketTo(api, path);
    await new Promise((resolve) => socket.addEventListener("open", resolve));
    const frame = new Uint8Array(64 * 1024);
    for (let sent = 0; sent < 64 * 1024 * 1024; sent += frame.byteLength) socket.send(frame);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(socket.bufferedAmount).toBeGreaterThan(16 * 1024 * 1024);

    socket.terminate();
    const turning = setInterval(() => clock.advance(1_000), 5);
    expect(await ended.promise).toMatchObject({ message: "the client went away" });
    clearInterval(turning);
  });

  test("what cannot be is refused before the upgrade", async () => {
    const { api } = await world();
    const id = await api.create(pod());
    const path = `${machinePath(id)}/containers`;

    expect((await api.call("GET", `${path}/app/exec?command=x`)).field("code")).toBe("Conflict");
    expect((await api.call("GET", `${path}/other/exec?command=x`)).field("code")).toBe("NotFound");
    expect((await api.call("GET", `${path}/app/exec`)).field("code")).toBe("InvalidInput");
    expect((await api.call("GET", `${path}/app/attach`)).field("code")).toBe("Conflict");
    expect((await api.call("GET", `${path}/other/attach`)).field("code")).toBe("NotFound");
    expect((await api.call("GET", `${machinePath(id)}/connect?port=0`)).field("code")).toBe(
      "InvalidInput",
    );
  });
});
