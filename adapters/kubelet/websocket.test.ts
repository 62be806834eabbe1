import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createServer } from "node:net";
import { kubeletWorld } from "#test/fakes/kubelet-world.ts";

let world: Awaited<ReturnType<typeof kubeletWorld>>;

beforeAll(async () => {
  world = await kubeletWorld();
});

afterAll(() => world[Symbol.asyncDispose]());

const EXEC = "/exec/default/web/app?input=1&output=1&error=1";

interface Client {
  readonly protocol: string;
  send(message: string | Uint8Array<ArrayBuffer>): void;
  /** Every message until the server closes, as `channel:payload`. */
  readonly messages: Promise<readonly string[]>;
  readonly received: string[];
  close(): void;
}

async function dial(path: string, protocols: readonly string[]): Promise<Client> {
  const ws = new WebSocket(world.url(path).replace("https", "wss"), {
    protocols: [...protocols],
    tls: { ca: world.serverCa.cert, ...world.apiServer },
  });
  ws.binaryType = "arraybuffer";
  const received: string[] = [];
  const opened = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<readonly string[]>();
  ws.addEventListener("open", () => opened.resolve());
  ws.addEventListener("error", () => opened.reject(new Error("the upgrade was refused")));
  ws.addEventListener("close", () => closed.resolve(received));
  ws.addEventListener("message", ({ data }) => received.push(messageOf(data)));
  await opened.promise;
  return {
    protocol: ws.protocol,
    received,
    messages: closed.promise,
    send: (message) => ws.send(message),
    close: () => ws.close(),
  };
}

function messageOf(data: unknown): string {
  if (typeof data === "string") {
    return `${data.slice(0, 1)}:${Buffer.from(data.slice(1), "base64").toString()}`;
  }
  const bytes = data instanceof ArrayBuffer ? Buffer.from(data) : Buffer.alloc(1);
  return `${bytes[0]}:${bytes.subarray(1).toString("latin1")}`;
}

function binary(channel: number, text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from([channel, ...Buffer.from(text)]);
}

const SUCCESS = '3:{"metadata":{},"status":"Success"}';

describe("exec", () => {
  test("version 5: a closed standard input ends the command", async () => {
    const client = await dial(`${EXEC}&command=cat`, ["v5.channel.k8s.io", "v4.channel.k8s.io"]);
    expect(client.protocol).toBe("v5.channel.k8s.io");
    client.send(binary(0, "hello"));
    client.send(Uint8Array.of(255, 0));
    expect(await client.messages).toEqual(["1:", "1:hello", SUCCESS]);
  });

  test("version 4: the streams arrive apart, then the status", async () => {
    const client = await dial(`${EXEC}&command=say&command=a&command=b`, ["v4.channel.k8s.io"]);
    expect(await client.messages).toEqual(["1:", "1:a", "2:b", SUCCESS]);
  });

  test("base64: the channel is a digit", async () => {
    const client = await dial(`${EXEC}&command=say&command=a&command=b`, [
      "v4.base64.channel.k8s.io",
    ]);
    expect(await client.messages).toEqual(["1:", "1:a", "2:b", SUCCESS]);
  });

  test("the oldest one gets plain text, and nothing for success", async () => {
    const good = await dial(`${EXEC}&command=say&command=a&command=b`, []);
    expect(await good.messages).toEqual(["1:", "1:a", "2:b"]);
    const bad = await dial(`${EXEC}&command=exit&command=3`, ["channel.k8s.io"]);
    expect(await bad.messages).toEqual([
      "1:",
      "3:command terminated with non-zero exit code: exit status 3",
    ]);
  });

  test("a terminal learns its size", async () => {
    const path = "/exec/default/web/app?output=1&tty=1&command=sizes&command=1";
    const client = await dial(path, ["v4.channel.k8s.io"]);
    client.send(binary(4, '{"Width":80,"Height":24}'));
    expect(await client.messages).toEqual(["1:", "1:tty true 80x24\n", SUCCESS]);
  });

  test("a protocol nobody knows is refused", async () => {
    expect(await failureOf(dial(`${EXEC}&command=cat`, ["v9.channel.k8s.io"]))).toContain(
      "refused",
    );
  });

  test("a client that leaves takes its command along", async () => {
    const client = await dial(`${EXEC}&command=sleep`, ["v4.channel.k8s.io"]);
    client.close();
    await client.messages;
    // oxlint-disable-next-line no-await-in-loop -- the server hears of it a moment later
    while (world.api.sessions() > 0) await Bun.sleep(1);
    expect(world.machines.running()).toBe(0);
  });
});

describe("attach", () => {
  const ATTACH = "/attach/default/web/app?input=1&output=1";

  test("carries the container's own streams and ends with it, without its exit code", async () => {
    const client = await dial(`${ATTACH}&tty=1`, ["v4.channel.k8s.io"]);
    client.send(binary(4, '{"Width":80,"Height":24}'));
    client.send(binary(0, "q"));
    expect(await client.messages).toEqual(["1:", "1:attached\n", "1:80x24\n", "1:q", SUCCESS]);
  });

  test("a client that leaves only detaches", async () => {
    const client = await dial(ATTACH, ["v5.channel.k8s.io"]);
    while (client.received.length < 2) await Bun.sleep(1);
    client.close();
    while (world.api.sessions() > 0) await Bun.sleep(1);
    expect(world.machines.running()).toBe(0);
  });
});

describe("port-forward over version 4", () => {
  test("each port has two channels that begin with its number", async () => {
    const server = createServer((socket) => socket.pipe(socket));
    const { promise, resolve } = Promise.withResolvers<void>();
    server.listen(0, "127.0.0.1", resolve);
    await promise;
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const number = Buffer.from([port & 0xff, port >> 8]).toString("latin1");

    const client = await dial(`/portForward/default/web?port=${port}`, ["v4.channel.k8s.io"]);
    client.send(binary(0, "echo"));
    // oxlint-disable-next-line no-await-in-loop -- the echo comes from another socket
    while (client.received.length < 3) await Bun.sleep(1);
    client.close();
    expect(client.received).toEqual([`0:${number}`, `1:${number}`, "0:echo"]);
    server.close();
  });

  test("without a port it is refused", async () => {
    expect(await failureOf(dial("/portForward/default/web", ["v4.channel.k8s.io"]))).not.toBe("");
    expect(
      await failureOf(dial("/portForward/default/web?port=0", ["v4.channel.k8s.io"])),
    ).not.toBe("");
  });
});

/** The message a promise fails with; empty when it does not. */
async function failureOf(promise: Promise<unknown> | undefined): Promise<string> {
  try {
    await promise;
    return "";
  } catch (error) {
    return String(error);
  }
}
