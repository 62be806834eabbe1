import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { createServer, type Server, type Socket } from "node:net";
import { kubeletWorld } from "#test/fakes/kubelet-world.ts";
import { spdyClient } from "#test/programs/spdy-client.ts";

const MEGABYTE = 1_048_576;

let world: Awaited<ReturnType<typeof kubeletWorld>>;
let client: Awaited<ReturnType<typeof spdyClient>>;

beforeAll(async () => {
  world = await kubeletWorld();
  client = await spdyClient(world.serverCa.cert, world.apiServer);
}, 300_000);

afterAll(async () => {
  client[Symbol.dispose]();
  await world[Symbol.asyncDispose]();
});

function execUrl(command: readonly string[], streams: string): string {
  const query = command.map((word) => `command=${encodeURIComponent(word)}`).join("&");
  return world.url(`/exec/default/web/uid-web/app?${query}&${streams}`);
}

describe.each([
  ["SPDY", []],
  ["WebSocket", ["-websocket"]],
])("Kubernetes' own client over %s", (_name, flags) => {
  test("standard output and standard error arrive apart", async () => {
    const url = execUrl(["say", "out", "err"], "output=1&error=1");
    const { exitCode, stdout, stderr } = await client.run("exec", [url], { flags });
    expect([exitCode, stdout.toString(), stderr]).toEqual([0, "out", "err"]);
  });

  test("the exit code of the command is the client's", async () => {
    const url = execUrl(["exit", "3"], "output=1&error=1");
    expect((await client.run("exec", [url], { flags })).exitCode).toBe(3);
  });

  test("a command that cannot be run says why", async () => {
    const url = execUrl(["nothing"], "output=1&error=1");
    const { exitCode, stderr } = await client.run("exec", [url], { flags });
    expect([exitCode, stderr]).toEqual([99, "Internal error occurred: no such command: nothing\n"]);
  });

  test("20 MB go in and come back the same", async () => {
    const stdin = Buffer.alloc(20 * MEGABYTE, "0123456789abcdef\n");
    const url = execUrl(["cat"], "input=1&output=1&error=1");
    const { exitCode, stdout } = await client.run("exec", [url], {
      flags: [...flags, "-stdin"],
      stdin,
    });
    expect([exitCode, stdout.equals(stdin)]).toEqual([0, true]);
  });

  test("a terminal learns its sizes", async () => {
    const url = execUrl(["sizes", "2"], "output=1&tty=1");
    const { stdout } = await client.run("exec", [url], { flags: [...flags, "-tty=80x24,100x40"] });
    expect(stdout.toString()).toBe("tty true 80x24 100x40\n");
  });

  test("attach carries what is typed and ends with the container, whatever its exit code", async () => {
    const url = world.url("/attach/default/web/uid-web/app?input=1&output=1&tty=1");
    const { exitCode, stdout } = await client.run("exec", [url], {
      flags: [...flags, "-stdin", "-tty=80x24"],
      stdin: "hello q",
    });
    expect([exitCode, stdout.toString()]).toEqual([0, "attached\n80x24\nhello q"]);
  });

  test.each([
    ["a quiet client", ""],
    ["a client that sends more than anybody reads", Buffer.alloc(4 * MEGABYTE)],
  ])("%s takes its command along when it is killed", async (_what, stdin) => {
    const url = execUrl(["sleep"], "input=1&output=1&error=1");
    const child = client.start("exec", [url], { flags: [...flags, "-stdin"], stdin });
    await until(() => world.machines.running() === 1);
    await Bun.sleep(stdin.length > 0 ? 100 : 0);
    child.kill("SIGKILL");
    await until(() => world.machines.running() === 0 && world.api.sessions() === 0);
    expect(world.api.sessions()).toBe(0);
  });

  test("port-forward carries connections side by side, refuses one, and lives on", async () => {
    await using echo = await listening((socket) => socket.pipe(socket));
    await using talker = await listening((socket) => {
      socket.resume();
      socket.end("good day");
    });
    const closed = await closedPort();
    const size = 20 * MEGABYTE;
    const tasks = [`${echo.port} ${size}`, `${closed} 10`, `${talker.port} 10`, `${echo.port} 7`];

    const url = world.url("/portForward/default/web");
    const { stdout, stderr } = await client.run("forward", [url], {
      flags,
      stdin: tasks.join("\n"),
    });
    expect(stderr).toBe("");
    const lines = stdout
      .toString()
      .replaceAll(/(ok .*) \d+$/gm, "$1")
      .trim()
      .split("\n");

    expect(lines.toSorted()).toEqual(
      [
        `${echo.port} ok ${size} ${digest(size)}`,
        `${echo.port} ok 7 ${digest(7)}`,
        `${talker.port} ok 8 ${createHash("sha256").update("good day").digest("hex")}`,
        `${closed} failed error forwarding port ${closed} to pod web, uid uid-web: connection refused on port ${closed}`,
      ].toSorted(),
    );
    await until(() => world.api.sessions() === 0);
  });
});

test("nothing was worth a line in the log", () => {
  expect(world.log.lines).toEqual([]);
});

/** What the Go client sends. */
function digest(size: number): string {
  const block = Buffer.alloc(65_536, "abcdefghijklmnopqrstuvwxyz012345");
  const hash = createHash("sha256");
  for (let left = size; left > 0; left -= block.length) {
    hash.update(block.subarray(0, Math.min(left, block.length)));
  }
  return hash.digest("hex");
}

async function until(isTrue: () => boolean): Promise<void> {
  // oxlint-disable-next-line no-await-in-loop -- there is no event for what another process does
  while (!isTrue()) await Bun.sleep(5);
}

interface TestServer {
  readonly port: number;
  [Symbol.asyncDispose](): Promise<void>;
}

async function listening(answer: (socket: Socket) => void): Promise<TestServer> {
  const server = createServer({ allowHalfOpen: true }, answer);
  const port = await listen(server);
  return { port, [Symbol.asyncDispose]: () => close(server) };
}

async function closedPort(): Promise<number> {
  const server = createServer();
  const port = await listen(server);
  await close(server);
  return port;
}

function listen(server: Server): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  server.listen(0, "127.0.0.1", () => {
    const address = server.address();
    resolve(typeof address === "object" && address !== null ? address.port : 0);
  });
  return promise;
}

function close(server: Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  return promise;
}
