import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { hostClock } from "#adapters/host/clock.ts";
import { memoryLog } from "#test/fakes/log.ts";
import { failureOf } from "#test/fixtures/failure.ts";
import type { MountSpec, VolumeSpec } from "../runtime.ts";
import { containersOf, FOREVER } from "./testing/containers.ts";
import { containerSpec, openWorld, type World } from "./testing/world.ts";

setDefaultTimeout(10_000);

const MIB = 1024 * 1024;

let world: World;
let containers: ReturnType<typeof containersOf>;

beforeAll(async () => {
  world = await openWorld({ clock: hostClock(), log: memoryLog() });
  containers = containersOf(world);
});
afterAll(async () => {
  await world.close();
});

const disk = volume("disk");
const secret = volume("files", { token: "secret", "sub/ca": "ca" });

function volume(
  kind: VolumeSpec["kind"],
  files: Readonly<Record<string, string>> = {},
): VolumeSpec {
  return {
    name: kind,
    kind,
    sizeMb: undefined,
    files: Object.entries(files).map(([path, text]) => ({
      path,
      mode: 0o600,
      content: Buffer.from(text),
    })),
  };
}

function at(path: string, shown: VolumeSpec, subPath?: string, readOnly = false): MountSpec {
  return { volume: shown, path, readOnly, ...(subPath === undefined ? {} : { subPath }) };
}

const diskOf = (machineId: string): string => `${world.machinesDir}/${machineId}/volumes/disk`;

describe("a part of a volume", () => {
  test("is made when it is missing, as open as the volume", async () => {
    const mounts = [at("/a", disk, "logs/today"), at("/all", disk)];
    const { id } = await containers.run(FOREVER, { mounts, security: { runAsUser: 1000 } });

    expect(await containers.sh(id, "echo x > /a/f; cat /all/logs/today/f; stat -c %a /a")).toBe(
      "x\n777\n",
    );
  });

  test("may be a file, and several parts may be shown at once", async () => {
    const mounts = [
      at("/etc/token", secret, "token"),
      at("/etc/ca", secret, "sub/ca"),
      at("/s", secret),
    ];
    const { id } = await containers.run(FOREVER, { mounts });

    expect(await containers.sh(id, "cat /etc/token /etc/ca /s/token")).toBe("secretcasecret");
    expect(await containers.sh(id, "echo x > /etc/token")).toContain("Read-only");
  });

  test("may be the program itself", async () => {
    const script = volume("files", { run: "#!/bin/sh\necho ran" });
    const files = script.files.map((file) => ({ ...file, mode: 0o755 }));
    const mounts = [at("/opt/run", { ...script, files }, "run")];
    const { id } = await containers.run(["/opt/run"], { mounts });
    await world.exit(id.machineId, "app");

    const logs = await world.runtime.logs(id, {}, world.signal);
    expect(await new Response(logs).text()).toBe("ran\n");
  });

  test("may be read-only beside the whole that is not", async () => {
    const mounts = [at("/ro", disk, "x", true), at("/rw", disk)];
    const { id } = await containers.run(FOREVER, { mounts });

    expect(await containers.sh(id, "echo 1 > /rw/x/f; cat /ro/f; echo 2 > /ro/f")).toMatch(
      /^1\n.*Read-only/s,
    );
  });

  test.each(["out", "out/file", "in/../../x", "loop", "absolute"])(
    "never leads out of it: %s",
    async (subPath) => {
      const machine = await containers.newMachine();
      await containers.start(machine, FOREVER, { name: "first", mounts: [at("/d", disk)] });
      const folder = diskOf(machine.machineId);
      const outside = `${world.machinesDir}/.outside`;
      mkdirSync(outside, { recursive: true });
      writeFileSync(`${outside}/file`, "host");
      symlinkSync("../../../.outside", `${folder}/out`);
      symlinkSync("loop", `${folder}/loop`);
      symlinkSync("/etc/passwd", `${folder}/absolute`);
      const container = containerSpec(world, machine, FOREVER, {
        mounts: [at("/d", disk, subPath)],
      });

      expect(await failureOf(world.runtime.start(container, world.signal))).toBe(
        'InvalidInput: failed to prepare subPath for volumeMount "disk" of container "app"',
      );
      expect(readdirSync(outside)).toEqual(["file"]);
      rmSync(outside, { recursive: true });
    },
  );

  test("may be reached by links inside it", async () => {
    const machine = await containers.newMachine();
    const first = await containers.start(machine, FOREVER, {
      name: "first",
      mounts: [at("/d", disk)],
    });
    await containers.sh(first.id, "mkdir /d/real; echo x > /d/real/f; ln -s real /d/link");
    const { id } = await containers.start(machine, FOREVER, { mounts: [at("/p", disk, "link")] });

    expect(await containers.sh(id, "cat /p/f")).toBe("x\n");
  });

  test("goes with its container, and the volume stays", async () => {
    const { id, machine } = await containers.run(FOREVER, { mounts: [at("/p", disk, "part")] });
    await containers.sh(id, "echo x > /p/f");
    const attempt = `${world.machinesDir}/${machine.machineId}/containers/app/0`;
    expect(existsSync(`${attempt}/mounts/0/f`)).toBe(true);

    await world.runtime.release(id, world.signal);

    expect(existsSync(`${attempt}/mounts`)).toBe(false);
    expect(existsSync(`${diskOf(machine.machineId)}/part/f`)).toBe(true);
  });
});

describe("a volume's group", () => {
  test("owns it, may write to it and hands it down; files it may read", async () => {
    const machine = await containers.newMachine({ fsGroup: 2345 });
    const memory = volume("memory");
    const mounts = [at("/disk", disk), at("/mem", memory), at("/files", secret)];
    const { id } = await containers.start(machine, FOREVER, {
      mounts,
      groups: [2345],
      security: { runAsUser: 1000 },
    });

    const script =
      "stat -c '%g %a' /disk /mem; echo x > /disk/f; stat -c %g /disk/f; stat -Lc '%g %a' /files/token /files/sub; cat /files/sub/ca";
    expect(await containers.sh(id, script)).toBe(
      "2345 2777\n2345 2777\n2345\n2345 640\n2345 2755\nca",
    );

    const files = [{ path: "token", mode: 0o600, content: Buffer.from("new") }];
    await world.runtime.writeVolume(machine.machineId, { ...secret, files }, world.signal);
    expect(await containers.sh(id, "cat /files/token; stat -Lc '%g %a' /files/token")).toBe(
      "new2345 640\n",
    );
  });

  test("is left as the container made it when it starts again", async () => {
    const machine = await containers.newMachine();
    const mounts = [at("/d", disk)];
    const { id } = await containers.start(machine, FOREVER, { mounts });
    await containers.sh(id, "chmod 700 /d");
    const again = await containers.start(machine, FOREVER, { mounts, attempt: 1 });

    expect(await containers.sh(again.id, "stat -c %a /d")).toBe("700\n");
  });
});

test("a volume in memory without a size holds what its Machine holds", async () => {
  const machine = await containers.newMachine({ memoryBytes: 64 * MIB });
  const { id } = await containers.start(machine, FOREVER, { mounts: [at("/m", volume("memory"))] });

  expect(await containers.sh(id, "stat -fc '%b %S' /m")).toBe(`${64 * 256} 4096\n`);
});

describe("the termination file", () => {
  const terminationMessagePath = "/dev/termination-log";

  test("is writable by anybody and read after the end", async () => {
    const { id } = await containers.run(
      ["sh", "-c", "echo 'out of luck' > /dev/termination-log; exit 3"],
      {
        terminationMessagePath,
        security: { runAsUser: 1000 },
      },
    );
    await world.exit(id.machineId, "app");

    expect(await world.runtime.terminationMessage(id, world.signal)).toBe("out of luck\n");
    await world.runtime.release(id, world.signal);
    expect(await world.runtime.terminationMessage(id, world.signal)).toBe("out of luck\n");
  });

  test("counts from its end, at most 4096 bytes", async () => {
    const { id } = await containers.run(["sh", "-c", "seq 1 9999 > /dev/termination-log"], {
      terminationMessagePath,
    });
    await world.exit(id.machineId, "app");

    const message = await world.runtime.terminationMessage(id, world.signal);
    expect(message).toHaveLength(4_096);
    expect(message).toEndWith("\n9999\n");
  });

  test("that nobody wrote, or that is not there, says nothing", async () => {
    const { id } = await containers.run(["true"], { terminationMessagePath });
    const other = { ...id, machineId: "unknown" };
    await world.exit(id.machineId, "app");

    expect(await world.runtime.terminationMessage(id, world.signal)).toBe("");
    expect(await world.runtime.terminationMessage(other, world.signal)).toBe("");
  });
});

const shown = (): VolumeSpec => ({ ...volume("image"), imageRoot: world.imageRoot });

describe("a volume that shows an image", () => {
  test("has the image's files, and nothing of them can be changed or run", async () => {
    const { id } = await containers.run(FOREVER, { mounts: [at("/image", shown())] });

    expect(await containers.sh(id, "ls /image/bin/busybox")).toBe("/image/bin/busybox\n");
    expect(await containers.sh(id, "touch /image/new")).toContain("Read-only file system");
    expect(await containers.sh(id, "/image/bin/busybox true")).toContain("Permission denied");
  });

  test("may show a part of it, and never one that is not there", async () => {
    const machine = await containers.newMachine();
    const { id } = await containers.start(machine, FOREVER, { mounts: [at("/b", shown(), "bin")] });
    expect(await containers.sh(id, "ls /b/busybox")).toBe("/b/busybox\n");

    const mounts = [at("/b", shown(), "no/such")];
    const container = containerSpec(world, machine, FOREVER, { name: "other", mounts });
    expect(await failureOf(world.runtime.start(container, world.signal))).toBe(
      'NotFound: ImageVolumeMountFailed: image volume "image": subpath "no/such": no such file or directory',
    );
    expect(existsSync(`${world.imageRoot}/no`)).toBe(false);
  });
});
