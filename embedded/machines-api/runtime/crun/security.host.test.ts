import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, readlinkSync, writeFileSync } from "node:fs";
import { hostClock } from "#adapters/host/clock.ts";
import type { ContainerSecurity } from "#core/fly/machine-protocol.ts";
import { memoryLog } from "#test/fakes/log.ts";
import { failureOf } from "#test/fixtures/failure.ts";
import { containersOf, FOREVER } from "./testing/containers.ts";
import { containerSpec, openWorld, type World } from "./testing/world.ts";

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

/** A container with this context that runs on, and what the script prints in it. */
async function inside(security: ContainerSecurity, script: string): Promise<string> {
  const { id } = await containers.run(FOREVER, { security });
  return containers.sh(id, script);
}

const status = (name: string): string =>
  `while read a b; do [ "$a" = ${name}: ] && echo $b; done < /proc/self/status`;

describe("who a container is", () => {
  test("is what its context says, and is told", async () => {
    const security = { runAsUser: 1000, runAsGroup: 3000, supplementalGroups: [4000] };
    const { id, user } = await containers.run(FOREVER, { security, groups: [5000] });

    expect(await containers.sh(id, "id -u; id -g; id -G")).toBe(
      "1000\n3000\n3000 2000 4000 5000\n",
    );
    expect(user).toEqual({ uid: 1000, gid: 3000, groups: [3000, 2000, 4000, 5000] });
  });

  test("may not be root where that is forbidden", async () => {
    const machine = await containers.newMachine();
    const container = containerSpec(world, machine, FOREVER, { security: { runAsNonRoot: true } });

    expect(await failureOf(world.runtime.start(container, world.signal))).toBe(
      "InvalidInput: container has runAsNonRoot and image will run as root",
    );
  });
});

describe("what a container may do", () => {
  test("is bounded by its capabilities", async () => {
    const none = { capabilities: { add: [], drop: ["ALL"] } };
    const one = { capabilities: { add: ["NET_ADMIN"], drop: ["ALL"] } };

    expect(await inside(none, "mkdir /tmp/a; chown 7 /tmp/a; echo $?")).toContain("not permitted");
    expect(await inside(one, status("CapEff"))).toBe("0000000000001000\n");
  });

  test("is everything the Machine has when it is privileged", async () => {
    const script =
      "mount -t tmpfs none /tmp && echo mounted; echo 100 > /proc/sys/net/core/somaxconn && echo written; [ -w /dev/net/tun ] && echo tun";

    expect(await inside({ privileged: true }, script)).toBe("mounted\nwritten\ntun\n");
    expect(await inside({}, script)).not.toMatch(/^(mounted|written|tun)$/m);
  });

  test("does not grow when it asked for that", async () => {
    expect(await inside({ noNewPrivileges: true }, status("NoNewPrivs"))).toBe("1\n");
    expect(await inside({}, status("NoNewPrivs"))).toBe("0\n");
  });

  test("does not reach its own root where that is read-only, but volumes and its message", async () => {
    const security = { readOnlyRootFilesystem: true };
    const disk = { name: "d", kind: "disk", sizeMb: undefined, files: [] } as const;
    const { id } = await containers.run(FOREVER, {
      security,
      mounts: [{ volume: disk, path: "/data", readOnly: false }],
      terminationMessagePath: "/dev/termination-log",
    });

    const script =
      "echo x > /data/x && echo ok; echo m > /dev/termination-log && echo ok; echo y > /y";
    expect(await containers.sh(id, script)).toMatch(/^ok\nok\n.*Read-only file system\n$/s);
  });

  test("is filtered by the default profile when it asks for one", async () => {
    const { id } = await containers.run(FOREVER, { security: { seccomp: "default" } });

    expect(await containers.sh(id, status("Seccomp"))).toBe("2\n");
    // Ordinary work goes on: processes, pipes, files, sockets.
    expect(await containers.sh(id, "seq 3 | wc -l; echo a > /tmp/a; cat /tmp/a")).toBe("3\na\n");
    const mounts = "mount -t tmpfs none /tmp";
    const asAdmin = { capabilities: { add: ["SYS_ADMIN"], drop: [] } };
    expect(await inside({ seccomp: "default" }, mounts)).toContain("permission denied");
    expect(await inside({ ...asAdmin, seccomp: "default" }, mounts)).toBe("");
    expect(await inside({}, status("Seccomp"))).toBe("0\n");
  });

  test("is filtered by a profile of the host when it names one", async () => {
    mkdirSync(world.profilesDir, { recursive: true });
    const profile = {
      defaultAction: "SCMP_ACT_ALLOW",
      syscalls: [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 1 }],
    };
    writeFileSync(`${world.profilesDir}/no-folders.json`, JSON.stringify(profile));
    const seccomp = { localhost: "no-folders.json" };

    expect(await inside({ seccomp }, "mkdir /tmp/x; echo on")).toMatch(/^on\n.*not permitted\n$/);
    expect(
      await failureOf(containers.run(FOREVER, { security: { seccomp: { localhost: "x" } } })),
    ).toBe(
      `NotFound: cannot load seccomp profile "${world.profilesDir}/x": open ${world.profilesDir}/x: no such file or directory`,
    );
  });

  test("leaves kernel files alone, unless they are unmasked", async () => {
    const script = "ls /proc/scsi | wc -l; echo 1 > /proc/sys/vm/overcommit_memory";
    const values = Bun.file("/proc/sys/vm/overcommit_memory");
    const before = await values.text();

    expect(await inside({}, script)).toContain("Read-only");
    expect(await inside({ unmaskedProc: true }, "echo 100 > /proc/sys/net/core/somaxconn")).toBe(
      "",
    );
    expect(await values.text()).toBe(before);
  });
});

describe("kernel parameters", () => {
  test("are those of the Machine alone", async () => {
    const sysctls = { "kernel.shm_rmid_forced": "1", "net.core.somaxconn": "77" };
    const machine = await containers.newMachine({ sysctls });
    const { id } = await containers.start(machine, FOREVER);
    const other = await containers.run(FOREVER);
    const script = "cat /proc/sys/kernel/shm_rmid_forced /proc/sys/net/core/somaxconn";

    expect(await containers.sh(id, script)).toBe("1\n77\n");
    expect(await containers.sh(other.id, script)).toBe("0\n4096\n");
  });

  test("of the whole host are refused", async () => {
    const machine = await containers.newMachine({ sysctls: { "vm.swappiness": "1" } });
    const container = containerSpec(world, machine, FOREVER);

    expect(await failureOf(world.runtime.start(container, world.signal))).toMatch(
      /InvalidInput: .*vm\.swappiness/s,
    );
  });
});

describe("containers that see each other's processes", () => {
  test("do so, with a first process that is none of them", async () => {
    const machine = await containers.newMachine({ sharesProcesses: true });
    const shared = { sharesProcesses: true };
    const first = await containers.start(machine, ["sleep", "1001"], { ...shared, name: "a" });
    const second = await containers.start(machine, ["sleep", "1002"], { ...shared, name: "b" });

    const seen = await containers.sh(first.id, "ps");
    expect(seen).toContain("sleep 1001");
    expect(seen).toContain("sleep 1002");
    expect(await containers.sh(second.id, "cat /proc/1/cmdline")).toStartWith("/pause");
    // Nothing of the host is found through it.
    expect(await containers.sh(second.id, "ls /proc/1/root")).toContain("Permission denied");
  });

  test("end alone: the others stay, nothing of its own does", async () => {
    const machine = await containers.newMachine({ sharesProcesses: true });
    const shared = { sharesProcesses: true };
    const other = await containers.start(machine, FOREVER, { ...shared, name: "other" });
    const script = "sleep 4242 & sleep 4243 & wait";
    const { id } = await containers.start(machine, ["sh", "-c", script], shared);
    await containers.sh(id, "until ps | grep -q 'sleep 424[3]'; do :; done");

    await world.runtime.signal(id, "SIGTERM", world.signal);

    expect((await world.exit(id.machineId, "app")).exitCode).toBe(143);
    const left = await containers.sh(other.id, "ps");
    expect(left).not.toContain("sleep 424");
    expect(left).toContain("sleep 1000");
  });

  test("may be two of many: one joins another, and goes without it", async () => {
    const { id, machine } = await containers.run(["sleep", "1003"]);
    const debug = await containers.start(machine, ["sleep", "1004"], { name: "debug", target: id });

    expect(await containers.sh(debug.id, "ps")).toContain("sleep 1003");
    await world.runtime.signal(debug.id, "SIGTERM", world.signal);

    expect((await world.exit(id.machineId, "debug")).exitCode).toBe(143);
    expect(await containers.sh(id, "ps")).toContain("sleep 1003");
    expect(await containers.sh(id, "ps")).not.toContain("sleep 1004");
  });

  test("are found by a runtime that did not start them, and leave nothing when they go", async () => {
    const machine = await containers.newMachine({ sharesProcesses: true });
    const { id, pid } = await containers.start(machine, FOREVER, { sharesProcesses: true });
    const later = new AbortController();
    const reopened = world.reopened(later.signal);
    await reopened.prepare(machine, world.signal);
    const next = containerSpec(world, machine, FOREVER, { name: "b", sharesProcesses: true });

    const started = await reopened.start(next, world.signal);

    expect(processNamespace(started.pid)).toBe(processNamespace(pid));
    await reopened.remove(id.machineId, world.signal);
    expect(await Bun.file(`/proc/${pid}/stat`).exists()).toBe(false);
    later.abort();
  });
});

function processNamespace(pid: number): string {
  return readlinkSync(`/proc/${pid}/ns/pid`);
}
