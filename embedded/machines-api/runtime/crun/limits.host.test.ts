import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { hostClock } from "#adapters/host/clock.ts";
import { memoryLog } from "#test/fakes/log.ts";
import { failureOf } from "#test/fixtures/failure.ts";
import { ownCapabilities, ownOomScoreAdj } from "./host.ts";
import { containersOf, eventually, FOREVER } from "./testing/containers.ts";
import { openWorld, type World } from "./testing/world.ts";

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

describe("new limits", () => {
  /** What the kernel says inside, whichever version of cgroups this host has. */
  const LIMITS =
    "cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes memory.max cpu/cpu.cfs_quota_us cpu.max 2>/dev/null";

  test("hold at once, up and down, and never exceed the Machine's", async () => {
    const { id } = await containers.run(FOREVER, { cpuMillis: 100, memoryBytes: 32 * MIB });
    const change = async (cpuMillis?: number, memoryBytes?: number): Promise<string> => {
      await world.runtime.resize(id, { cpuMillis, memoryBytes }, world.signal);
      return containers.sh(id, LIMITS);
    };

    expect(await containers.sh(id, LIMITS)).toMatch(/^33554432\n10000\b/);
    expect(await change(500, 128 * MIB)).toMatch(/^134217728\n50000\b/);
    expect(await change(200, 16 * MIB)).toMatch(/^16777216\n20000\b/);
    expect(await change()).toMatch(/^268435456\n100000\b/);
    expect(await change(9_000, 9_000 * MIB)).toMatch(/^268435456\n100000\b/);
  });

  test("below what is in use are refused", async () => {
    const { id } = await containers.run(FOREVER, { memoryBytes: 64 * MIB });
    await containers.sh(id, "dd if=/dev/zero of=/dev/shm/full bs=1M count=20");
    const limits = { cpuMillis: undefined, memoryBytes: 8 * MIB };

    expect(await failureOf(world.runtime.resize(id, limits, world.signal))).toMatch(
      /^Conflict: attempting to set container memory limit \(8388608\) below current usage/,
    );
  });

  test("a weight alone leaves the container all of its Machine's time", async () => {
    const { id } = await containers.run(FOREVER, { cpuMillis: 100, cpuShares: 102 });
    const limits = { cpuMillis: undefined, memoryBytes: undefined };

    expect(await containers.sh(id, LIMITS)).toMatch(/\n10000\b/);
    await world.runtime.resize(id, { ...limits, cpuShares: 20 }, world.signal);
    expect(await containers.sh(id, LIMITS)).toMatch(/\n(-1|max)\b/);
  });

  test("of a container that has ended are refused", async () => {
    const { id } = await containers.run(["true"]);
    await world.exit(id.machineId, "app");
    const limits = { cpuMillis: 100, memoryBytes: undefined };

    expect(await failureOf(world.runtime.resize(id, limits, world.signal))).toBe(
      "Conflict: container app has ended",
    );
  });
});

const scoreOf = (pid: number): number => Number(readFileSync(`/proc/${pid}/oom_score_adj`, "utf8"));

test("who is killed first when the host has no memory left is told to the kernel", async () => {
  const first = await containers.run(FOREVER, { oomScoreAdj: 1000 });
  const last = await containers.run(FOREVER, { oomScoreAdj: -997 });

  expect(scoreOf(first.pid)).toBe(1000);
  expect(await containers.sh(first.id, "cat /proc/self/oom_score_adj")).toBe("1000\n");
  // Whoever may not claim the host's resources makes nobody safer than itself.
  const mayClaim = ownCapabilities().has("CAP_SYS_RESOURCE");
  expect(scoreOf(last.pid)).toBe(mayClaim ? -997 : ownOomScoreAdj());
});

test("what is used is told for containers, volumes and the network", async () => {
  const disk = { name: "disk", kind: "disk", sizeMb: undefined, files: [] } as const;
  const memory = { name: "memory", kind: "memory", sizeMb: 4, files: [] } as const;
  const script =
    "dd if=/dev/zero of=/d/x bs=1M count=3; dd if=/dev/zero of=/m/x bs=1M count=2; echo > /tmp/done; sleep 1000";
  const { id } = await containers.run(["sh", "-c", script], {
    mounts: [
      { volume: disk, path: "/d", readOnly: false },
      { volume: memory, path: "/m", readOnly: false },
    ],
  });

  await containers.sh(id, "until [ -e /tmp/done ]; do sleep 0.02; done");
  const stats = await world.runtime.stats(id.machineId, world.signal);
  expect(stats).toEqual({
    containers: [
      {
        name: "app",
        startedAtMs: expect.any(Number),
        cpuNanoseconds: expect.any(Number),
        memoryBytes: expect.any(Number),
        usageBytes: expect.any(Number),
        rssBytes: expect.any(Number),
        pageFaults: expect.any(Number),
        majorPageFaults: expect.any(Number),
        // Our init, and what the shell became.
        processes: 2,
        rootBytes: expect.any(Number),
        rootInodes: expect.any(Number),
        logBytes: expect.any(Number),
        logInodes: 1,
      },
    ],
    volumes: [
      { name: "disk", usedBytes: expect.any(Number), usedInodes: 2 },
      { name: "memory", usedBytes: 2 * MIB, usedInodes: 2, capacityBytes: 4 * MIB },
    ],
    network: { receivedBytes: expect.any(Number), sentBytes: expect.any(Number) },
  });
  expect(stats.volumes[0]?.usedBytes).toBeWithin(3 * MIB, 3.1 * MIB);
  const [app] = stats.containers;
  expect(app?.cpuNanoseconds).toBeGreaterThan(1_000_000);
  expect(app?.memoryBytes).toBeGreaterThan(2 * MIB);
  expect(app?.usageBytes).toBeGreaterThanOrEqual(app?.memoryBytes ?? 0);
  expect(app?.rssBytes).toBeGreaterThan(0);
});

describe("a connection from inside a Machine", () => {
  test("reaches its own address, its loopback and another Machine", async () => {
    const server = ["httpd", "-f", "-p", "[::]:80", "-h", "/www"];
    const one = await containers.run(server);
    const other = await containers.run(FOREVER);

    for (const host of [one.machine.address.ipv6, one.machine.address.ipv4, "localhost"]) {
      expect(await get(one.id.machineId, host)).toEndWith("hello\n");
    }
    expect(await get(other.id.machineId, one.machine.address.ipv6)).toEndWith("hello\n");
  });

  test("to where nothing listens, or to no host, is Unavailable", async () => {
    const { id, machine } = await containers.run(FOREVER);
    const { ipv4 } = machine.address;
    const dial = (host: string) =>
      failureOf(world.runtime.dial(id.machineId, { host, port: 81 }, world.signal));

    expect(await dial(ipv4)).toBe(`Unavailable: cannot connect to ${ipv4} port 81`);
    expect(await dial("nosuch.invalid")).toBe("Unavailable: lookup nosuch.invalid: no such host");
  });
});

async function get(machineId: string, host: string): Promise<string> {
  const { readable, writable } = await eventually(() =>
    world.runtime.dial(machineId, { host, port: 80 }, world.signal),
  );
  await writable.getWriter().write(Buffer.from("GET / HTTP/1.0\r\n\r\n"));
  return new Response(readable).text();
}
