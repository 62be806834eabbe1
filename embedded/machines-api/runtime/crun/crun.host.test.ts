import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { hostClock } from "#adapters/host/clock.ts";
import { FksError } from "#core/errors.ts";
import type { LogOptions } from "#core/fly/machine-protocol.ts";
import type { ExecRequest } from "#core/ports/machine-protocol.ts";
import { memoryLog } from "#test/fakes/log.ts";
import type { ContainerId, VolumeSpec } from "../runtime.ts";
import { foldersFor } from "./folders.ts";
import { rotateLog } from "./rotation.ts";
import { containerSpec, machineSpec, openWorld, type World } from "./testing/world.ts";

setDefaultTimeout(10_000);

const clock = hostClock();
const MIB = 1024 * 1024;
const FOREVER = ["sleep", "1000"];

let world: World;
let serial = 0;

beforeAll(async () => {
  world = await openWorld({ clock, log: memoryLog() });
});
afterAll(async () => {
  await world.close();
});

/** A prepared Machine of this test alone. */
async function newMachine() {
  serial += 1;
  const machine = machineSpec(world.plan, serial);
  await world.runtime.prepare(machine, world.signal);
  return machine;
}

async function run(args: readonly string[], changes: Parameters<typeof containerSpec>[3] = {}) {
  const machine = await newMachine();
  const container = containerSpec(world, machine, args, changes);
  await world.runtime.start(container, world.signal);
  return { machine, id: container.id };
}

async function exec(id: ContainerId, command: readonly string[], more: Partial<ExecRequest> = {}) {
  const out = collector();
  const err = collector();
  const { exitCode } = await world.runtime.exec(
    id,
    { command, tty: false, stdout: out.sink, stderr: err.sink, ...more },
    world.signal,
  );
  return { exitCode, stdout: out.text(), stderr: err.text() };
}

function collector() {
  const chunks: Uint8Array[] = [];
  const sink = new WritableStream<Uint8Array>({ write: (chunk) => void chunks.push(chunk) });
  return { sink, text: () => Buffer.concat(chunks).toString(), bytes: () => Buffer.concat(chunks) };
}

async function logs(id: ContainerId, options: LogOptions = {}): Promise<string> {
  return new Response(await world.runtime.logs(id, options, world.signal)).text();
}

describe("a container", () => {
  test("answers on its Machine's own address", async () => {
    const { machine } = await run(["httpd", "-f", "-p", "[::]:8080", "-h", "/www"]);

    const answer = await eventually(() => fetch(`http://[${machine.address.ipv6}]:8080/`));

    expect(await answer.text()).toBe("hello\n");
  });

  test("finds the name, the hosts, the resolver and the folder it was promised", async () => {
    const { id, machine } = await run(FOREVER, { cwd: "/srv/app", env: ["A=1", "HOME=/data"] });

    const { stdout } = await exec(id, [
      "sh",
      "-c",
      "hostname; pwd; echo $A $HOME; cat /etc/hosts /etc/resolv.conf",
    ]);

    expect(stdout).toStartWith("web-");
    expect(stdout).toContain("\n/srv/app\n1 /data\n");
    expect(stdout).toContain(
      `${machine.address.ipv6}\t${machine.hostname}\n10.1.2.3\tdb.internal\tdb`,
    );
    expect(stdout).toContain("search a.internal\nnameserver fdaa::3\noptions ndots:5\n");
  });

  test("runs as the user the image names, with its groups", async () => {
    const { id } = await run(FOREVER, { user: "web" });

    const { stdout } = await exec(id, ["sh", "-c", "id -u; id -g; id -G; echo $HOME"]);

    expect(stdout).toBe("1000\n1001\n1001 2000\n/home/web\n");
  });

  test("gets its files where the image's links lead inside the image, never outside", async () => {
    const content = Buffer.from("given");
    const { id } = await run(FOREVER, { files: [{ path: "/etc/app/conf", mode: 0o640, content }] });

    const { stdout } = await exec(id, ["sh", "-c", "cat /etc/app/conf; stat -c %a /etc/app/conf"]);

    expect(stdout).toBe("given640\n");
  });

  test("reaches another Machine of its network", async () => {
    const { machine } = await run(["httpd", "-f", "-p", "[::]:8080", "-h", "/www"]);
    const { id } = await run(FOREVER);
    await eventually(() => fetch(`http://[${machine.address.ipv6}]:8080/`));
    const command = [
      "sh",
      "-c",
      `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc ${machine.address.ipv6} 8080`,
    ];

    expect((await exec(id, command)).stdout).toEndWith("hello\n");
  });

  test("shares network, host name and /dev/shm with its Machine's other containers", async () => {
    const { machine, id } = await run(["httpd", "-f", "-p", "127.0.0.1:80", "-h", "/www"]);
    const other = containerSpec(world, machine, FOREVER, { name: "other" });
    await world.runtime.start(other, world.signal);
    await exec(id, ["sh", "-c", "echo shared > /dev/shm/note"]);

    const script =
      "hostname; cat /dev/shm/note; printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc 127.0.0.1 80 | cat";
    const { stdout } = await exec(other.id, ["sh", "-c", script]);

    expect(stdout).toStartWith(`${machine.hostname}\nshared\n`);
    expect(stdout).toEndWith("hello\n");
  });

  test("that names no program of the image is refused, and leaves nothing", async () => {
    const machine = await newMachine();
    const missing = containerSpec(world, machine, ["nosuch"]);
    const nobody = containerSpec(world, machine, FOREVER, { user: "nobody-here" });

    await expectCode(
      world.runtime.start(missing, world.signal),
      "InvalidInput",
      /"nosuch": executable file not found in \$PATH/,
    );
    await expectCode(
      world.runtime.start(nobody, world.signal),
      "InvalidInput",
      /unable to find user/,
    );

    expect(
      (await world.runtime.list(world.signal)).filter(
        ({ id }) => id.machineId === machine.machineId,
      ),
    ).toEqual([]);
  });

  test("that is started twice runs once", async () => {
    const { machine, id } = await run(["sh", "-c", "sleep 1000"]);
    await world.runtime.start(
      containerSpec(world, machine, ["sh", "-c", "sleep 1000"]),
      world.signal,
    );

    const found = (await world.runtime.list(world.signal)).filter(
      (one) => one.id.machineId === id.machineId,
    );

    expect(found.map(({ state }) => state)).toEqual(["running"]);
    const { containers } = await world.runtime.stats(id.machineId, world.signal);
    expect(containers.map(({ name }) => name)).toEqual(["app"]);
  });
});

describe("the end of a container", () => {
  test("is told with its exit code", async () => {
    const { id } = await run(["sh", "-c", "exit 42"]);

    expect(await world.exit(id.machineId, "app")).toMatchObject({
      id,
      exitCode: 42,
      oomKilled: false,
    });
  });

  test("by a signal is told with its number, also for a program without a handler", async () => {
    const { id } = await run(FOREVER);
    await world.runtime.signal(id, "SIGTERM", world.signal);

    expect(await world.exit(id.machineId, "app")).toMatchObject({ exitCode: 143, signal: 15 });
  });

  test("for memory is told as such", async () => {
    const hog = ["dd", "if=/dev/zero", "of=/dev/shm/full", "bs=1M", "count=60"];
    const { id } = await run(hog, { memoryBytes: 16 * MIB });

    expect(await world.exit(id.machineId, "app")).toMatchObject({ exitCode: 137, oomKilled: true });
  });

  test("by kill -9 is not told as one for memory", async () => {
    const { id } = await run(FOREVER);
    await world.runtime.signal(id, "KILL", world.signal);

    expect(await world.exit(id.machineId, "app")).toMatchObject({
      exitCode: 137,
      signal: 9,
      oomKilled: false,
    });
  });

  test("is told as unknown when conmon died before", async () => {
    const { id } = await run(FOREVER);
    const folder = `${world.machinesDir}/${id.machineId}/containers/app/0`;
    process.kill(Number(await Bun.file(`${folder}/conmon.pid`).text()), "SIGKILL");
    await world.runtime.signal(id, "KILL", world.signal);

    expect(await world.exit(id.machineId, "app")).toMatchObject({
      exitCode: 137,
      oomKilled: false,
    });
    expect(
      (await world.runtime.list(world.signal)).find((found) => found.id.machineId === id.machineId),
    ).toEqual({ id, state: "ended", startedAtMs: expect.any(Number) });
  });

  test("is found by a runtime that was not there when it came", async () => {
    const { id } = await run(["sh", "-c", "exit 7"]);
    const other = await run([
      "sh",
      "-c",
      "trap 'exit 42' TERM; echo ready; while :; do sleep 0.05; done",
    ]);
    await eventually(async () => expect(await logs(other.id)).toBe("ready\n"));
    await world.exit(id.machineId, "app");
    const later = new AbortController();
    const reopened = world.reopened(later.signal);
    const told = Promise.withResolvers<number>();
    reopened.onExit((exit) => told.resolve(exit.exitCode));

    const found = await reopened.list(world.signal);
    await reopened.signal(other.id, "TERM", world.signal);

    expect(found.find((one) => one.id.machineId === id.machineId)).toMatchObject({
      state: "ended",
      exit: { exitCode: 7 },
    });
    expect(found.find((one) => one.id.machineId === other.id.machineId)).toMatchObject({
      state: "running",
    });
    expect(await told.promise).toBe(42);
    later.abort();
  });
});

describe("a process of ours that is killed", () => {
  test("leaves its containers running, and the next one adopts them", async () => {
    serial += 1;
    const script = Bun.fileURLToPath(import.meta.resolve("./testing/start-and-die.ts"));
    const { plan, machinesDir, imageRoot, signal } = world;
    const args = [plan.id, machinesDir, imageRoot, String(serial)];
    const { exitCode } = Bun.spawnSync([process.execPath, script, ...args]);
    const { machineId } = machineSpec(plan, serial);
    const id = { machineId, name: "app", attempt: 0 };
    const later = new AbortController();
    const runtime = world.reopened(later.signal);
    const told = Promise.withResolvers<number>();
    runtime.onExit((exit) => exit.id.machineId === machineId && told.resolve(exit.exitCode));

    const found = (await runtime.list(signal)).find((one) => one.id.machineId === machineId);
    await eventually(async () => expect(await logs(id)).toBe("ready\n"));
    await runtime.signal(id, "SIGTERM", signal);

    expect(exitCode).not.toBe(0);
    expect(found).toMatchObject({ id, state: "running" });
    expect(await told.promise).toBe(42);
    later.abort();
  });
});

describe("exec", () => {
  test("keeps the streams apart and gives the exit code", async () => {
    const { id } = await run(FOREVER);

    const result = await exec(id, ["sh", "-c", "echo out; echo err >&2; exit 5"]);

    expect(result).toEqual({ exitCode: 5, stdout: "out\n", stderr: "err\n" });
  });

  test("carries megabytes of input and output, byte for byte", async () => {
    const { id } = await run(FOREVER);
    const bytes = crypto.getRandomValues(Buffer.alloc(65_536));
    const input = Buffer.concat(Array.from({ length: 64 }, () => bytes));
    const out = collector();

    const stdin = new Response(input).body ?? undefined;
    await world.runtime.exec(
      id,
      { command: ["cat"], tty: false, stdout: out.sink, ...(stdin === undefined ? {} : { stdin }) },
      world.signal,
    );

    expect(out.bytes().equals(input)).toBe(true);
  });

  test("of a command that is not there ends with 127", async () => {
    const { id } = await run(FOREVER);

    const { exitCode, stderr } = await exec(id, ["nosuch"]);

    expect(exitCode).toBe(127);
    expect(stderr).toContain("not found");
  });

  test("that is given up kills its processes", async () => {
    const { id } = await run(FOREVER);
    const stop = new AbortController();
    const request = { command: ["sh", "-c", "sleep 777; true"], tty: false };
    const abandoned = world.runtime.exec(id, request, stop.signal).catch(String);
    await eventually(async () => expect((await exec(id, ["ps"])).stdout).toContain("sleep 777"));

    stop.abort(new Error("the client went away"));

    expect(await abandoned).toBe("Error: the client went away");
    await eventually(async () => expect((await exec(id, ["ps"])).stdout).not.toContain("777"));
  });

  test.each([false, true])(
    "that is given up at any moment of its start leaves nothing behind (tty: %p)",
    async (tty) => {
      const { id } = await run(FOREVER);
      const cut = async (afterMs: number): Promise<void> => {
        const stop = AbortSignal.timeout(afterMs);
        const request = { command: ["sleep", "777"], tty };
        await world.runtime.exec(id, request, stop).catch(String);
      };

      for (let round = 0; round < 5; round += 1) {
        await Promise.all(Array.from({ length: 8 }, (_, at) => cut(10 * (at + round))));
      }

      expect((await exec(id, ["ps"])).stdout).not.toContain("777");
    },
  );

  test("on a terminal knows its size, hears of another and takes input", async () => {
    const { id } = await run(FOREVER);
    const out = collector();
    const typed = new TransformStream<Uint8Array, Uint8Array>();
    const sizes = new TransformStream<{ cols: number; rows: number }>();
    const script =
      "while [ \"$(stty size)\" != '40 120' ]; do sleep 0.02; done; read x; echo got:$x; exit 9";
    const ended = world.runtime.exec(
      id,
      {
        command: ["sh", "-c", script],
        tty: true,
        stdin: typed.readable,
        stdout: out.sink,
        resize: sizes.readable,
      },
      world.signal,
    );

    await sizes.writable.getWriter().write({ cols: 120, rows: 40 });
    await typed.writable.getWriter().write(Buffer.from("abc\n"));

    expect(await ended).toMatchObject({ exitCode: 9 });
    expect(out.text()).toContain("got:abc\r\n");
  });

  test("in a container that has ended is refused", async () => {
    const { id } = await run(["true"]);
    await world.exit(id.machineId, "app");

    await expectCode(exec(id, ["true"]), "Conflict", /has ended/);
  });
});

describe("volumes", () => {
  test("on disk and in memory are shared by the Machine's containers and open to every user", async () => {
    const mounts = [
      { volume: volume("disk"), path: "/data", readOnly: false },
      { volume: volume("memory"), path: "/data/cache", readOnly: false },
    ];
    const { machine, id } = await run(FOREVER, { user: "web", mounts });
    const other = containerSpec(world, machine, FOREVER, { name: "other", mounts });
    await world.runtime.start(other, world.signal);
    await exec(id, ["sh", "-c", "echo disk > /data/a; echo memory > /data/cache/b"]);

    expect((await exec(other.id, ["cat", "/data/a", "/data/cache/b"])).stdout).toBe(
      "disk\nmemory\n",
    );
    const full = await exec(id, ["dd", "if=/dev/zero", "of=/data/cache/c", "bs=1M", "count=3"]);
    expect(full.stderr).toContain("No space left");
  });

  test("of files are there for all containers of a Machine that start at once", async () => {
    const tokens = volume("files", [file("token", "secret")]);
    const mounts = [{ volume: tokens, path: "/run/t", readOnly: true }];
    const { machine } = await run(FOREVER);
    const names = ["a", "b", "c", "d"];
    const others = names.map((name) =>
      containerSpec(world, machine, ["cat", "/run/t/token"], { name, mounts }),
    );

    await Promise.all(others.map((other) => world.runtime.start(other, world.signal)));

    for (const name of names) {
      expect(await world.exit(machine.machineId, name)).toMatchObject({ exitCode: 0 });
    }
  });

  test("of files change under a running container, and it cannot change them", async () => {
    const tokens = volume("files", [file("token", "old"), file("sub/ca", "ca")]);
    const { machine, id } = await run(FOREVER, {
      mounts: [{ volume: tokens, path: "/run/t", readOnly: true }],
    });
    const before = await exec(id, ["cat", "/run/t/token", "/run/t/sub/ca"]);

    await world.runtime.writeVolume(
      machine.machineId,
      { ...tokens, files: [file("token", "new")] },
      world.signal,
    );
    const after = await exec(id, [
      "sh",
      "-c",
      "cat /run/t/token; ls /run/t; echo x > /run/t/token",
    ]);

    expect(before.stdout).toBe("oldca");
    expect(after.stdout).toBe("newtoken\n");
    expect(after.stderr).toContain("Read-only");
  });
});

describe("a connection into a Machine", () => {
  test.each(["127.0.0.1:7000", "[::1]:7000"])("reaches what listens on %s", async (place) => {
    const { machine } = await run(["httpd", "-f", "-p", place, "-h", "/www"]);
    const { readable, writable } = await eventually(() =>
      world.runtime.connect(machine.machineId, 7000, world.signal),
    );

    await writable.getWriter().write(Buffer.from("GET / HTTP/1.0\r\n\r\n"));

    expect(await new Response(readable).text()).toEndWith("hello\n");
  });

  test("carries megabytes both ways and closes by halves", async () => {
    const { machine } = await run(["nc", "-l", "-p", "7000", "-e", "cat"]);
    const { readable, writable } = await eventually(() =>
      world.runtime.connect(machine.machineId, 7000, world.signal),
    );
    const sent = crypto.getRandomValues(Buffer.alloc(65_536));
    const answer = new Response(readable).bytes();
    const writer = writable.getWriter();

    for (let part = 0; part < 64; part += 1) await writer.write(sent);
    await writer.close();

    const all = Buffer.concat(Array.from({ length: 64 }, () => sent));
    expect(Buffer.from(await answer).equals(all)).toBe(true);
  });

  test("to a port where nothing listens is Unavailable", async () => {
    const machine = await newMachine();

    await expectCode(
      world.runtime.connect(machine.machineId, 7000, world.signal),
      "Unavailable",
      /nothing listens on port 7000/,
    );
  });

  test("is cut by its signal", async () => {
    const { machine } = await run(["nc", "-l", "-p", "7000", "-e", "cat"]);
    const stop = new AbortController();
    const connection = await eventually(() =>
      world.runtime.connect(machine.machineId, 7000, stop.signal),
    );
    const read = connection.readable.getReader().read();

    stop.abort(new Error("the client went away"));

    expect(
      await read.then(
        ({ done }) => done,
        () => true,
      ),
    ).toBe(true);
  });
});

describe("logs", () => {
  test("hold both streams and join the parts of a long line", async () => {
    const { id } = await run([
      "sh",
      "-c",
      "printf '%020000d\\n' 0; sleep 0.1; echo err >&2; sleep 0.1; printf end",
    ]);
    await world.exit(id.machineId, "app");

    expect((await logs(id)).replace(/0{20000}/, "zeros")).toBe("zeros\nerr\nend");
  });

  test("give the last lines, the first bytes, the time of each line", async () => {
    const { id } = await run(["seq", "1", "1000"]);
    await world.exit(id.machineId, "app");

    expect(await logs(id, { tailLines: 2 })).toBe("999\n1000\n");
    expect(await logs(id, { tailLines: 0 })).toBe("");
    expect(await logs(id, { limitBytes: 5 })).toBe("1\n2\n3");
    expect(await logs(id, { tailLines: 1, timestamps: true })).toMatch(
      /^\d{4}-\d\d-\d\dT[\d:]+\.\d{9}Z 1000\n$/,
    );
    expect(await logs(id, { sinceTime: "2100-01-01T00:00:00Z" })).toBe("");
  });

  test("follow a container to its end", async () => {
    const { id } = await run(["sh", "-c", "for i in 1 2 3; do echo $i; sleep 0.1; done"]);

    expect(await logs(id, { follow: true })).toBe("1\n2\n3\n");
  });

  test("moved aside while the container writes lose no line, nor does who follows", async () => {
    const { id } = await run([
      "sh",
      "-c",
      "for i in $(seq 1 3000); do echo $i; [ $((i % 500)) = 0 ] && sleep 0.05; done",
    ]);
    const folder = foldersFor(world.plan, world.machinesDir).attempt(id);
    const followed = logs(id, { follow: true });
    await eventually(async () => expect(await rotateLog(folder, 4_000)).toBe(true));
    await world.exit(id.machineId, "app");

    const expected = Array.from({ length: 3_000 }, (_, n) => `${n + 1}\n`).join("");
    expect(await followed).toBe(expected);
    expect(await logs(id)).toBe(expected);
  });

  test("that are given up are closed at once", async () => {
    const { id } = await run(FOREVER);
    const reader = (await world.runtime.logs(id, { follow: true }, world.signal)).getReader();
    const pending = reader.read();

    await reader.cancel();

    expect((await pending).done).toBe(true);
  });

  test("of the attempt before stay until the next", async () => {
    const { machine, id } = await run(["echo", "first"]);
    await world.exit(id.machineId, "app");
    const second = containerSpec(world, machine, ["echo", "second"], { attempt: 1 });
    await world.runtime.start(second, world.signal);
    const third = containerSpec(world, machine, ["echo", "third"], { attempt: 2 });

    expect(await logs(id)).toBe("first\n");
    await world.runtime.start(third, world.signal);
    await expectCode(logs(id), "NotFound", /no logs/);
  });
});

async function expectCode(promise: Promise<unknown>, code: FksError["code"], message: RegExp) {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(FksError);
  expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
}

function volume(kind: VolumeSpec["kind"], files: VolumeSpec["files"] = []): VolumeSpec {
  return { name: kind, kind, sizeMb: kind === "memory" ? 2 : undefined, files };
}

function file(path: string, text: string) {
  return { path, mode: 0o400, content: Buffer.from(text) };
}

/** What comes true in a moment. */
async function eventually<Result>(look: () => Promise<Result>): Promise<Result> {
  for (let tries = 0; ; tries += 1) {
    try {
      return await look();
    } catch (error) {
      if (tries === 200) throw error;
      await Bun.sleep(10);
    }
  }
}
