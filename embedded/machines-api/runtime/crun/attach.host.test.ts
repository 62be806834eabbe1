import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync } from "node:fs";
import { hostClock } from "#adapters/host/clock.ts";
import type { TerminalSize } from "#core/fly/machine-protocol.ts";
import type { AttachRequest } from "#core/ports/machine-protocol.ts";
import { memoryLog } from "#test/fakes/log.ts";
import { failureOf } from "#test/fixtures/failure.ts";
import type { ContainerId } from "../runtime.ts";
import { collector, containersOf, eventually, FOREVER } from "./testing/containers.ts";
import { openWorld, type World } from "./testing/world.ts";

setDefaultTimeout(10_000);

let world: World;
let containers: ReturnType<typeof containersOf>;

beforeAll(async () => {
  world = await openWorld({ clock: hostClock(), log: memoryLog() });
  containers = containersOf(world);
});
afterAll(async () => {
  await world.close();
});

/** A client with both outputs and, as it likes, something to type. */
function attached(id: ContainerId, signal = world.signal, more: AttachRequest = {}) {
  const out = collector();
  const err = collector();
  const typed = new TransformStream<Uint8Array, Uint8Array>();
  const keyboard = typed.writable.getWriter();
  const request = { stdin: typed.readable, stdout: out.sink, stderr: err.sink, ...more };
  const ended = world.runtime.attach(id, request, signal);
  ended.catch(() => undefined);
  return {
    ended,
    out,
    err,
    type: async (text: string) => keyboard.write(Buffer.from(text)),
    close: async () => keyboard.close(),
  };
}

function openDescriptors(): number {
  return readdirSync("/proc/self/fd").length;
}

async function logs(id: ContainerId): Promise<string> {
  return new Response(await world.runtime.logs(id, {}, world.signal)).text();
}

describe("attach", () => {
  test("types into the first process and gets its streams apart, its log too, and its end", async () => {
    const script = "read a; echo out:$a; echo err:$a >&2; read b; exit 7";
    const { id } = await containers.run(["sh", "-c", script], { stdin: true });
    const client = attached(id);

    await client.type("one\n");
    await eventually(() => expect(client.err.text()).toBe("err:one\n"));
    await client.type("two\n");

    expect(await client.ended).toEqual({ exitCode: 7 });
    expect(client.out.text()).toBe("out:one\n");
    expect((await logs(id)).split("\n").toSorted()).toEqual(["", "err:one", "out:one"]);
  });

  test("tells the signal that ended the container", async () => {
    const { id } = await containers.run(FOREVER);
    const client = attached(id);
    await world.runtime.signal(id, "SIGTERM", world.signal);

    expect(await client.ended).toEqual({ exitCode: 143, signal: 15 });
  });

  test("carries megabytes of input to its end", async () => {
    const { id } = await containers.run(["sh", "-c", "wc -c"], { stdin: true, stdinOnce: true });
    const input = new Response(Buffer.alloc(3_000_001, "x")).body ?? undefined;
    const client = attached(id, world.signal, input === undefined ? {} : { stdin: input });

    expect(await client.ended).toEqual({ exitCode: 0 });
    expect(client.out.text().trim()).toBe("3000001");
  });

  test("of a client that reads slowly gives it everything, also when the container ends first", async () => {
    const script = "read x; seq 1 400000; exit 3";
    const { id } = await containers.run(["sh", "-c", script], { stdin: true });
    const enough = Promise.withResolvers<void>();
    const out = collector();
    const writer = out.sink.getWriter();
    const slow = new WritableStream<Uint8Array>({
      write: async (chunk) => {
        await enough.promise;
        await writer.write(chunk);
      },
    });
    const client = attached(id, world.signal, { stdout: slow });
    await client.type("go\n");
    await eventually(async () => expect((await logs(id)).length).toBeGreaterThan(1_000_000));

    enough.resolve();

    expect(await client.ended).toEqual({ exitCode: 3 });
    expect(out.text()).toHaveLength(2_688_895);
  });

  test("of several shows the same to all; who goes leaves the container as it is", async () => {
    const script = "while read a; do echo got:$a; done";
    const { id } = await containers.run(["sh", "-c", script], { stdin: true });
    const leave = new AbortController();
    const first = attached(id, leave.signal);
    const second = attached(id);

    await first.type("1\n");
    await eventually(() => expect(second.out.text()).toBe("got:1\n"));
    leave.abort(new Error("the client went away"));
    expect(await first.ended.catch(String)).toBe("Error: the client went away");
    await second.type("2\n");

    await eventually(() => expect(second.out.text()).toBe("got:1\ngot:2\n"));
    await world.runtime.signal(id, "SIGKILL", world.signal);
    expect((await second.ended).exitCode).toBe(137);
  });

  test("of sizes that come at once the last one stays", async () => {
    const { id } = await containers.run(["sh", "-c", "read go; stty size"], {
      stdin: true,
      tty: true,
    });
    const sizes = new TransformStream<TerminalSize, TerminalSize>();
    const client = attached(id, world.signal, { resize: sizes.readable });
    const writer = sizes.writable.getWriter();
    await Promise.all([
      writer.write({ cols: 78, rows: 34 }),
      writer.write({ cols: 90, rows: 40 }),
      writer.write({ cols: 77, rows: 33 }),
    ]);
    await client.type("go\n");
    await client.ended;

    expect(client.out.text()).toContain("33 77");
  });

  test("once: the input ends with the first who gave some", async () => {
    const script = "cat; echo end; sleep 1000";
    const { id } = await containers.run(["sh", "-c", script], { stdin: true, stdinOnce: true });
    const leave = new AbortController();
    const first = attached(id, leave.signal);
    await first.type("x\n");
    await eventually(() => expect(first.out.text()).toBe("x\n"));

    leave.abort(new Error("the client went away"));

    await eventually(async () => expect(await logs(id)).toBe("x\nend\n"));
  });

  test("without input leaves it open for who has some, also when it was to be used once", async () => {
    const script = "until [ -e /tmp/go ]; do echo tick; sleep 0.02; done; cat";
    const { id } = await containers.run(["sh", "-c", script], { stdin: true, stdinOnce: true });
    const leave = new AbortController();
    const out = collector();
    const watcher = world.runtime.attach(id, { stdout: out.sink }, leave.signal).catch(String);
    await eventually(() => expect(out.text()).toContain("tick"));
    leave.abort(new Error("the client went away"));
    await watcher;
    await containers.sh(id, "echo > /tmp/go");

    const client = attached(id);
    await client.type("still open\n");
    await client.close();

    expect((await client.ended).exitCode).toBe(0);
    expect(client.out.text()).toEndWith("still open\n");
  });

  test("to a terminal knows its size, hears of another and takes input", async () => {
    const script =
      "while [ \"$(stty size)\" != '40 120' ]; do sleep 0.02; done; read x; echo got:$x; exit 9";
    const { id } = await containers.run(["sh", "-c", script], { stdin: true, tty: true });
    const sizes = new TransformStream<{ cols: number; rows: number }>();
    const client = attached(id, world.signal, { resize: sizes.readable });

    await sizes.writable.getWriter().write({ cols: 120, rows: 40 });
    await client.type("abc\n");

    expect(await client.ended).toEqual({ exitCode: 9 });
    expect(client.out.text()).toContain("got:abc\r\n");
  });

  test("to a container that has ended, or is not there, is refused", async () => {
    const { id } = await containers.run(["true"]);
    await world.exit(id.machineId, "app");

    expect(await failureOf(attached(id).ended)).toBe("Conflict: container app has ended");
    const other = { ...id, name: "other" };
    expect(await failureOf(attached(other).ended)).toBe("NotFound: container other is not here");
  });

  test("leaves no descriptor behind", async () => {
    const { id } = await containers.run(["sh", "-c", "while :; do echo tick; sleep 0.01; done"]);
    const cut = async (): Promise<void> => {
      const leave = new AbortController();
      const client = attached(id, leave.signal);
      await eventually(() => expect(client.out.text()).toContain("tick"));
      leave.abort(new Error("the client went away"));
      await client.ended.catch(() => undefined);
    };
    await cut();
    const before = openDescriptors();

    for (let round = 0; round < 50; round += 1) await cut();

    await eventually(() => expect(openDescriptors()).toBeLessThanOrEqual(before + 2));
  });
});

test("a container that nobody may type to finds its input at its end", async () => {
  const { id } = await containers.run(["sh", "-c", "cat; exit 4"]);

  expect((await world.exit(id.machineId, "app")).exitCode).toBe(4);
});
