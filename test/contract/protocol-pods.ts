import { expect } from "bun:test";
import type { ContainerConfig, MachineConfig } from "#core/fly/machine.ts";
import type { Bundle, ContainerReport, MachineRef } from "#core/fly/machine-protocol.ts";
import { it } from "./suite.ts";
import {
  bytesOf,
  codeOf,
  configOf,
  eventually,
  forever,
  launched,
  type ProtocolWorld,
  refOf,
  shell,
  sink,
} from "./world.ts";

type Given = () => ProtocolWorld;

/** What Pods ask of a container beyond a program and its files, by a bundle. */
export function protocolPods(given: Given): void {
  identities(given);
  contents(given);
  attaching(given);
}

/** A Machine whose container `main` runs `script` with this bundle; it is not restarted. */
async function bundled(
  world: ReturnType<Given>,
  script: string,
  bundle: Partial<Bundle>,
  container: Partial<ContainerConfig> = {},
  config: MachineConfig = {},
): Promise<MachineRef> {
  const awaiting = { ...config, metadata: { fks_awaits: "bundle" } };
  const wanted = configOf(world, { exec: shell(script), ...container }, awaiting);
  const ref = refOf(world, await launched(world, wanted));
  await world.protocol.deliver(ref, { containers: {}, volumes: {}, ...bundle }, forever);
  return ref;
}

function mainWhen(
  world: ReturnType<Given>,
  ref: MachineRef,
  isThere: (main: ContainerReport) => boolean,
): Promise<ContainerReport> {
  return eventually(async () => {
    const { containers } = await world.protocol.report(ref, forever);
    return containers.find((main) => main.name === "main" && isThere(main));
  });
}

const runs = ({ state }: ContainerReport): boolean => state.running !== undefined;
const hasEnded = ({ state }: ContainerReport): boolean => state.terminated !== undefined;

async function said(world: ReturnType<Given>, ref: MachineRef): Promise<string> {
  await mainWhen(world, ref, hasEnded);
  return new Response(await world.protocol.logs(ref, "main", {}, forever)).text();
}

function identities(given: Given): void {
  it("a container is who its bundle says, and the report tells", async () => {
    const world = given();
    const security = { runAsUser: 1234, runAsGroup: 3000, supplementalGroups: [4000] };
    const ref = await bundled(world, "id -u; id -g; id -G; sleep 100", {
      containers: { main: { security } },
      fsGroup: 5000,
    });

    const { user } = await mainWhen(world, ref, runs);
    expect(user).toEqual({ uid: 1234, gid: 3000, groups: [3000, 4000, 5000] });
    const ids = sink();
    const request = { command: shell("id -u; id -G"), tty: false, stdout: ids.stream };
    await world.protocol.exec(ref, "main", request, forever);
    expect(ids.text()).toBe("1234\n3000 4000 5000\n");
  });

  it("root does not start where that is forbidden, in the kubelet's words", async () => {
    const world = given();
    const security = { runAsNonRoot: true };
    const ref = await bundled(world, "true", { containers: { main: { security } } });

    const { state } = await mainWhen(
      world,
      ref,
      (main) => main.state.waiting?.reason === "CreateContainerConfigError",
    );
    expect(state.waiting?.message).toStartWith(
      "container has runAsNonRoot and image will run as root",
    );
  });

  it("capabilities, privileges, the root file system and kernel parameters are as asked", async () => {
    const world = given();
    const security = {
      capabilities: { add: ["NET_ADMIN"], drop: ["ALL"] },
      noNewPrivileges: true,
      readOnlyRootFilesystem: true,
      seccomp: "default",
    } as const;
    const script =
      "grep -E '^(CapEff|NoNewPrivs|Seccomp):' /proc/self/status; cat /proc/sys/kernel/shm_rmid_forced; echo x 2>&1 > /x";
    const ref = await bundled(world, script, {
      containers: { main: { security } },
      sysctls: { "kernel.shm_rmid_forced": "1" },
    });

    expect((await said(world, ref)).replaceAll("\t", " ")).toMatch(
      /^CapEff: 0000000000001000\nNoNewPrivs: 1\nSeccomp: 2\n1\n.*Read-only/s,
    );
  });

  it("containers that share processes see a first one that is none of them", async () => {
    const world = given();
    const ref = await bundled(world, "tr '\\0' ' ' < /proc/1/cmdline", { sharesProcesses: true });

    expect(await said(world, ref)).toContain("pause");
  });
}

function contents(given: Given): void {
  it("a mount shows a part of a volume, and the group owns it", async () => {
    const world = given();
    const mounts = [
      { name: "v", path: "/part", subPath: "a/b" },
      { name: "v", path: "/all", readOnly: true },
    ];
    const script = "echo in > /part/f; cat /all/a/b/f; stat -c '%g %a' /all; echo x 2>&1 > /all/g";
    const ref = await bundled(
      world,
      script,
      {
        containers: { main: { mounts, security: { runAsUser: 1234 } } },
        fsGroup: 5000,
      },
      { mounts: [{ name: "v", path: "/all" }] },
      { volumes: [{ name: "v", temp_dir: { storage_type: "disk" } }] },
    );

    expect(await said(world, ref)).toMatch(/^in\n5000 2777\n.*Read-only/s);
  });

  it("a mount shows the files of an image, and waits for one that cannot be had", async () => {
    const world = given();
    const mounts = [{ name: "v", path: "/image" }];
    const shown = (image: string): Partial<Bundle> => ({
      containers: { main: { mounts } },
      images: { v: { image, imagePullPolicy: "Never" } },
    });
    const there = await bundled(
      world,
      "ls /image/bin/busybox; echo x 2>&1 > /image/y",
      shown(world.image),
    );
    const absent = await bundled(world, "true", shown("fks-contract/absent:1"));

    expect(await said(world, there)).toMatch(/busybox\n.*Read-only/s);
    const { state } = await mainWhen(world, absent, (main) => main.state.waiting !== undefined);
    expect(state.waiting).toEqual({
      reason: "ErrImageNeverPull",
      message: 'Container image "fks-contract/absent:1" is not present with pull policy of Never',
    });
  });

  it("the termination file becomes the message of the end, else the last of the log", async () => {
    const world = given();
    const terminationMessage = { path: "/dev/termination-log", fallsBackToLogs: true };
    const main = { terminationMessage };
    const containers = { main };
    const script = "printf 'out of luck' > /dev/termination-log; exit 3";
    const told = await bundled(world, script, { containers });
    const logged = await bundled(world, "echo only logged; exit 4", { containers });

    const { state } = await mainWhen(world, told, hasEnded);
    expect(state.terminated).toMatchObject({ exitCode: 3, message: "out of luck" });
    const other = await mainWhen(world, logged, hasEnded);
    expect(other.state.terminated?.message).toContain("only logged");
  });

  it("frees what nobody needs, and what a Machine was given stays", async () => {
    const world = given();
    const ref = await bundled(world, "sleep 100", {});
    await world.protocol.reclaim(forever);

    expect(runs(await mainWhen(world, ref, runs))).toBe(true);
    expect(await world.protocol.troubles(forever)).toEqual([]);
    expect(runs(await mainWhen(world, await bundled(world, "sleep 100", {}), runs))).toBe(true);
  });

  it("usage tells of containers, their disk, volumes and the network", async () => {
    const world = given();
    const ref = await bundled(
      world,
      `${fill("/full", 1e6)}; ${fill("/d/full", 1e6)}; ${fill("/v/full", 2e6)}; echo full; sleep 100`,
      {},
      {
        mounts: [
          { name: "d", path: "/d" },
          { name: "v", path: "/v" },
        ],
      },
      {
        volumes: [
          { name: "d", temp_dir: { storage_type: "disk" } },
          { name: "v", temp_dir: { storage_type: "memory", size_mb: 4 } },
        ],
      },
    );
    await mainWhen(world, ref, runs);
    // What a folder takes is counted once in a while: it is asked for when all is written.
    await eventually(async () => {
      const log = await world.protocol.logs(ref, "main", {}, forever);
      return (await new Response(log).text()) === "full\n" ? true : undefined;
    });
    const all = await world.protocol.usage(forever);
    const usage = all.find(({ id }) => id === ref.id);

    expect(usage?.containers.map(({ name }) => name)).toEqual(["main"]);
    expect(usage?.containers[0]?.cpuNanoseconds).toBeGreaterThan(0);
    expect(usage?.containers[0]?.memoryBytes).toBeGreaterThan(0);
    expect(usage?.containers[0]).toMatchObject({ rootInodes: expect.any(Number), logInodes: 1 });
    expect(usage?.containers[0]?.rootBytes).toBeGreaterThanOrEqual(1e6);
    expect(usage?.containers[0]?.logBytes).toBeGreaterThan(0);
    expect(usage?.volumes).toMatchObject([
      { name: "d", usedInodes: 2 },
      { name: "v", usedInodes: 2, capacityBytes: 4 * 1024 * 1024 },
    ]);
    expect(usage?.volumes[0]?.usedBytes).toBeGreaterThanOrEqual(1e6);
    expect(usage?.network?.receivedBytes).toBeNumber();
  });
}

function attaching(given: Given): void {
  it("attach types into the first process and tells its end; its log has it too", async () => {
    const world = given();
    const main = { stdin: true, stdinOnce: true };
    const script = "cat; echo err >&2; exit 7";
    const ref = await bundled(world, script, { containers: { main } });
    await mainWhen(world, ref, runs);
    const [stdout, stderr] = [sink(), sink()];
    const request = { stdin: bytesOf("typed\n"), stdout: stdout.stream, stderr: stderr.stream };

    expect(await world.protocol.attach(ref, "main", request, forever)).toEqual({ exitCode: 7 });
    expect([stdout.text(), stderr.text()]).toEqual(["typed\n", "err\n"]);
    expect(await said(world, ref)).toContain("typed\n");
    expect(await codeOf(world.protocol.attach(ref, "main", {}, forever))).toBe("Conflict");
  });

  it("who leaves an attach leaves the container running", async () => {
    const world = given();
    const ref = await bundled(world, "while :; do echo tick; sleep 0.1; done", {});
    await mainWhen(world, ref, runs);
    const stop = new AbortController();
    const reason = new Error("hung up");
    const started = Promise.withResolvers<void>();
    const stdout = new WritableStream<Uint8Array>({ write: () => started.resolve() });
    const left = codeOf(world.protocol.attach(ref, "main", { stdout }, stop.signal));
    await started.promise;
    stop.abort(reason);

    expect(await left).toBe(reason);
    expect(runs(await mainWhen(world, ref, () => true))).toBe(true);
  });
}

/** A command of a shell. */
function fill(path: string, bytes: number): string {
  return `head -c ${bytes} /dev/zero > ${path}`;
}
