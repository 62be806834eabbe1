import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { hostClock } from "#adapters/host/clock.ts";
import { memoryLog } from "#test/fakes/log.ts";
import { machineNetnsFor } from "../../network/commands.ts";
import { runProgram } from "../../network/run-program.ts";
import { containerSpec, machineSpec, openWorld, type World } from "./testing/world.ts";

setDefaultTimeout(20_000);

const options = { clock: hostClock(), log: memoryLog() };
const worlds: World[] = [];

async function open(): Promise<World> {
  const world = await openWorld(options);
  worlds.push(world);
  return world;
}
afterAll(async () => {
  for (const world of worlds) await world.close();
});

/** All that an instance leaves on a host while it runs, by its own names. */
async function tracesOf({ plan, machinesDir, signal }: World) {
  const mounts = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  const processes = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  const router = ["ip", "-n", plan.routerNetns];
  return {
    mounts: mounts.filter((line) => line.includes(machinesDir) || line.includes(plan.id)).length,
    processes: processes.filter((pid) => commandOf(pid).includes(machinesDir)).length,
    netns: readdirSync("/run/netns").filter((name) => name.includes(plan.id)),
    links: (await runProgram([...router, "-br", "link"], signal)).split("\n").length,
    routes: (await runProgram([...router, "-6", "route"], signal)).split("\n").length,
    routes4: (await runProgram([...router, "route"], signal)).split("\n").length,
    cgroups: (await runProgram(["find", "/sys/fs/cgroup", "-name", plan.cgroup], signal)).trim(),
    machines: readdirSync(machinesDir),
    exits: readdirSync(`${machinesDir}/.exits`),
    run: readdirSync(plan.runDir, { recursive: true }).filter((name) => /\d{6}/.test(String(name))),
  };
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}

test("five Machines leave nothing: no process, mount, namespace, route, cgroup or file", async () => {
  const world = await open();
  const { runtime, signal } = world;
  const before = await tracesOf(world);
  const machines = [1, 2, 3, 4, 5].map((serial) => machineSpec(world.plan, serial));
  const memory = { name: "m", kind: "memory" as const, sizeMb: 1, files: [] };
  const mounts = [{ volume: memory, path: "/m", readOnly: false }];
  for (const machine of machines) {
    await runtime.prepare(machine, signal);
    await runtime.start(containerSpec(world, machine, ["sleep", "1000"], { mounts }), signal);
    await runtime.start(containerSpec(world, machine, ["true"], { name: "once" }), signal);
  }
  const during = await tracesOf(world);

  await Promise.all(machines.map(({ machineId }) => runtime.remove(machineId, signal)));

  expect(during.processes).toBeGreaterThanOrEqual(5);
  expect(during.netns).toHaveLength(before.netns.length + 5);
  expect(await tracesOf(world)).toEqual(before);
});

test("a Machine is removed twice, half-made, or never made, without a word", async () => {
  const world = await open();
  const { runtime, signal, plan } = world;
  const before = await tracesOf(world);
  const machine = machineSpec(plan, 1);
  const { machineId } = machine;
  await runtime.prepare(machine, signal);
  await runtime.start(containerSpec(world, machine, ["sleep", "1000"]), signal);

  await runtime.remove(machineId, signal);
  await runtime.remove(machineId, signal);
  // A crash right after these two steps.
  closeSync(openSync(`/run/netns/${machineNetnsFor(plan, machineId)}`, "w"));
  mkdirSync(`${world.machinesDir}/${machineId}/containers/app/0/upper`, { recursive: true });
  await runtime.remove(machineId, signal);
  for (const name of readdirSync(world.machinesDir)) await runtime.remove(name, signal);

  expect(await tracesOf(world)).toEqual(before);
});

test("a Machine that was half-made is made whole", async () => {
  const world = await open();
  const { runtime, signal, plan } = world;
  const machine = machineSpec(plan, 1);
  await runProgram(["ip", "netns", "add", machineNetnsFor(plan, machine.machineId)], signal);

  await runtime.prepare(machine, signal);
  await runtime.start(containerSpec(world, machine, ["true"]), signal);

  expect(await world.exit(machine.machineId, "app")).toMatchObject({ exitCode: 0 });
});

test("two networks live side by side with Machines of the same name and number", async () => {
  const [one, two] = [await open(), await open()];
  for (const [world, text] of [
    [one, "one"],
    [two, "two"],
  ] as const) {
    const machine = machineSpec(world.plan, 7);
    const index = { path: "/www/index.html", mode: 0o644, content: Buffer.from(text) };
    const server = ["httpd", "-f", "-p", "[::]:80", "-h", "/www"];
    await world.runtime.prepare(machine, world.signal);
    await world.runtime.start(
      containerSpec(world, machine, server, { files: [index] }),
      world.signal,
    );
  }

  expect(await page(one)).toBe("one");
  expect(await page(two)).toBe("two");
  await one.runtime.remove(machineSpec(one.plan, 7).machineId, one.signal);
  expect(await page(two)).toBe("two");
});

test("crun does all the same, where it is told to", async () => {
  const folder = mkdtempSync(`${tmpdir()}/fks-oci-`);
  const wrapper = `${folder}/crun`;
  // Hides the one mount that makes crun refuse hybrid hosts, from crun alone.
  const hide = 'umount /sys/fs/cgroup/unified 2>/dev/null; exec crun "$@"';
  writeFileSync(wrapper, `#!/bin/sh\nexec unshare -m sh -c '${hide}' crun "$@"\n`, { mode: 0o755 });
  const world = await openWorld({ ...options, ociRuntime: wrapper });
  const { runtime, signal } = world;
  const machine = machineSpec(world.plan, 1);
  const container = containerSpec(world, machine, ["sleep", "1000"], { user: "web", cwd: "/srv" });
  const written: string[] = [];
  const stdout = new WritableStream<Uint8Array>({
    write: (chunk) => void written.push(Buffer.from(chunk).toString()),
  });
  try {
    await runtime.prepare(machine, signal);
    await runtime.start(container, signal);
    const command = ["sh", "-c", "id -G; pwd; exit 3"];
    const ended = await runtime.exec(container.id, { command, tty: false, stdout }, signal);
    await runtime.signal(container.id, "SIGTERM", signal);

    expect(ended).toEqual({ exitCode: 3 });
    expect(written.join("")).toBe("1001 2000\n/srv\n");
    expect(await world.exit(machine.machineId, "app")).toMatchObject({ exitCode: 143 });
  } finally {
    await world.close();
    rmSync(folder, { recursive: true });
  }
});

async function page({ plan }: World): Promise<string> {
  for (let tries = 0; ; tries += 1) {
    try {
      return await (await fetch(`http://[${machineSpec(plan, 7).address.ipv6}]/`)).text();
    } catch (error) {
      if (tries === 100) throw error;
      await Bun.sleep(10);
    }
  }
}
