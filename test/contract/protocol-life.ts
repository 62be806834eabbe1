import { expect } from "bun:test";
import type { ContainerConfig, MachineConfig } from "#core/fly/machine.ts";
import type {
  Bundle,
  ContainerBundle,
  Handler,
  MachineRef,
  MachineReport,
  ProbeSpec,
} from "#core/fly/machine-protocol.ts";
import { it } from "./suite.ts";
import {
  eventually,
  forever,
  launched,
  type ProtocolWorld,
  reached,
  refOf,
  shell,
} from "./world.ts";

type Given = () => ProtocolWorld;

/** A Machine's life as a Pod's, with programs that really run. */
export function protocolLife(given: Given): void {
  order(given);
  probes(given);
  hooks(given);
  ends(given);
  added(given);
}

interface Life {
  readonly containers: readonly (Omit<ContainerConfig, "image"> & { readonly image?: string })[];
  readonly config?: MachineConfig;
  readonly bundles?: Readonly<Record<string, ContainerBundle>>;
  readonly bundle?: Partial<Bundle>;
}

/** Launches it and delivers its bundle. */
async function living(world: ProtocolWorld, life: Life): Promise<MachineRef> {
  const config: MachineConfig = {
    stop_config: { timeout: "20s" },
    ...life.config,
    metadata: { fks_awaits: "bundle", ...life.config?.metadata },
    containers: life.containers.map((container) => ({ image: world.image, ...container })),
  };
  const ref = refOf(world, await launched(world, config));
  const bundle = { containers: life.bundles ?? {}, volumes: {}, ...life.bundle };
  await world.protocol.deliver(ref, bundle, forever);
  return ref;
}

function reported(
  world: ProtocolWorld,
  ref: MachineRef,
  isSo: (report: MachineReport) => boolean,
): Promise<MachineReport> {
  return eventually(async () => {
    const report = await world.protocol.report(ref, forever);
    return isSo(report) ? report : undefined;
  });
}

async function logOf(world: ProtocolWorld, ref: MachineRef, container: string): Promise<string> {
  return new Response(await world.protocol.logs(ref, container, {}, forever)).text();
}

const messagesOf = ({ events }: MachineReport): readonly string[] =>
  events.map(({ reason, message }) => `${reason}: ${message}`);

const SHARED = {
  volumes: [{ name: "shared", temp_dir: { storage_type: "disk" } }],
} as const satisfies MachineConfig;
const mounts = [{ name: "shared", path: "/shared" }] as const;
/** Runs until SIGTERM, and says so. */
const UNTIL_TERM =
  "trap 'echo term >> /shared/log; exit 0' TERM; while :; do sleep 1 & wait $!; done";
const never = { policy: "no" } as const;

function order(given: Given): void {
  it("init containers end before, sidecars run while, and are stopped after the rest", async () => {
    const world = given();
    const ref = await living(world, {
      config: { ...SHARED, metadata: { fks_init: "init", fks_sidecars: "side" } },
      containers: [
        { name: "init", exec: shell("echo init >> /shared/log"), mounts, restart: never },
        {
          name: "side",
          exec: shell(`echo side >> /shared/log; ${UNTIL_TERM}; cat /shared/log`),
          mounts,
          depends_on: [{ name: "init", condition: "exited_successfully" }],
        },
        {
          name: "main",
          exec: shell("until grep -q side /shared/log; do sleep 0.1; done; cat /shared/log"),
          mounts,
          restart: never,
          depends_on: [{ name: "side", condition: "healthy" }],
        },
      ],
    });
    await reached(world, ref.id, "stopped");
    const report = await world.protocol.report(ref, forever);

    expect(await logOf(world, ref, "main")).toBe("init\nside\n");
    const exits = report.containers.map(({ state }) => state.terminated?.exitCode);
    expect(exits).toEqual([0, 0, 0]);
    expect(messagesOf(report)).toContain("Killing: Stopping container side");
  });

  it("an init container that fails for good ends the Machine before anything else runs", async () => {
    const world = given();
    const ref = await living(world, {
      config: { metadata: { fks_init: "init" } },
      containers: [
        { name: "init", exec: shell("exit 7"), restart: never },
        {
          name: "main",
          exec: shell("echo never"),
          depends_on: [{ name: "init", condition: "exited_successfully" }],
        },
      ],
    });
    await reached(world, ref.id, "stopped");
    const { containers } = await world.protocol.report(ref, forever);

    expect(containers[0]?.state.terminated?.exitCode).toBe(7);
    expect(containers[1]?.containerID).toBe("");
  });
}

function probe(handler: Handler, changes: Partial<ProbeSpec> = {}): ProbeSpec {
  return {
    handler,
    initialDelaySeconds: 0,
    periodSeconds: 1,
    timeoutSeconds: 2,
    successThreshold: 1,
    failureThreshold: 2,
    ...changes,
  };
}

const http = (port: number, path: string): Handler => ({
  kind: "http",
  scheme: "http",
  port,
  path,
  headers: [],
});

/** A web server for `/www`, on every address of IPv6 or on none but IPv4's. */
const webServer = (address: string): readonly string[] =>
  shell(`mkdir -p /www; echo ok > /www/ok; exec httpd -f -p ${address} -h /www`);

const readiness = ({ containers }: MachineReport): readonly boolean[] =>
  containers.map((container) => container.ready);

function probes(given: Given): void {
  it("readiness follows what the web server answers, wherever it listens", async () => {
    const world = given();
    const ref = await living(world, {
      containers: [
        { name: "six", exec: webServer("[::]:8080") },
        { name: "four", exec: webServer("0.0.0.0:8081") },
        { name: "shut", exec: webServer("127.0.0.1:8082") },
      ],
      bundles: {
        six: { probes: { readiness: probe(http(8080, "/ok")) } },
        four: { probes: { readiness: probe({ kind: "tcp", port: 8081 }) } },
        shut: { probes: { readiness: probe(http(8082, "/ok")) } },
      },
    });
    await reported(
      world,
      ref,
      (report) => readiness(report)[0] === true && readiness(report)[1] === true,
    );
    const rm = { command: ["/bin/busybox", "rm", "/www/ok"], tty: false };
    await world.protocol.exec(ref, "six", rm, forever);
    const report = await reported(world, ref, (now) => readiness(now)[0] === false);

    expect(readiness(report)).toEqual([false, true, false]);
    const told = messagesOf(report);
    expect(told).toContain(
      "Unhealthy: Readiness probe failed: HTTP probe failed with statuscode: 404",
    );
    expect(told.join("\n")).toContain(":8082: connect: connection refused");
    expect(report.containers.map(({ restartCount }) => restartCount)).toEqual([0, 0, 0]);
  });

  it("a container whose liveness command fails is stopped and started again", async () => {
    const world = given();
    const liveness = probe({ kind: "exec", command: shell("echo ill; test ! -e /ill") });
    const ref = await living(world, {
      config: SHARED,
      containers: [
        { name: "main", exec: shell(UNTIL_TERM), mounts, restart: { policy: "always" } },
      ],
      bundles: { main: { probes: { liveness } } },
    });
    await reported(world, ref, ({ containers }) => containers[0]?.ready === true);
    const touch = { command: ["/bin/busybox", "touch", "/ill"], tty: false };
    await world.protocol.exec(ref, "main", touch, forever);
    const report = await reported(
      world,
      ref,
      ({ containers }) => containers[0]?.restartCount === 1 && containers[0].ready,
    );

    expect(report.containers[0]?.lastState?.terminated?.exitCode).toBe(0);
    expect(messagesOf(report)).toEqual(
      expect.arrayContaining([
        "Unhealthy: Liveness probe failed: ill\n",
        "Killing: Container main failed liveness probe, will be restarted",
      ]),
    );
  });

  it("nothing counts as started before its startup probe passed", async () => {
    const world = given();
    const startup = probe(http(8080, "/ok"), { failureThreshold: 100 });
    const exec = shell("sleep 1.5; mkdir /www; touch /www/ok; exec httpd -f -p [::]:8080 -h /www");
    const ref = await living(world, {
      containers: [{ name: "main", exec }],
      bundles: { main: { probes: { startup } } },
    });
    const running = await reported(
      world,
      ref,
      ({ containers }) => containers[0]?.state.running !== undefined,
    );
    expect(running.containers[0]).toMatchObject({ started: false, ready: false });

    await reported(world, ref, ({ containers }) => containers[0]?.started === true);
  });
}

const hook = (word: string): Handler => ({
  kind: "exec",
  command: shell(`sleep 0.3; echo ${word} >> /shared/log`),
});

function hooks(given: Given): void {
  it("postStart comes before running, preStop before the stop signal", async () => {
    const world = given();
    const ref = await living(world, {
      config: { ...SHARED, metadata: { fks_sidecars: "side" } },
      containers: [
        {
          name: "side",
          exec: shell(UNTIL_TERM.replace("exit 0", "cat /shared/log; exit 0")),
          mounts,
        },
        { name: "main", exec: shell(UNTIL_TERM), mounts },
      ],
      bundles: { main: { hooks: { postStart: hook("post"), preStop: hook("pre") } } },
    });
    await reported(world, ref, ({ containers }) => containers[1]?.state.running !== undefined);
    const cat = await world.machines.exec(
      ref.app,
      ref.id,
      { command: ["/bin/busybox", "cat", "/shared/log"], container: "main", timeoutSeconds: 5 },
      forever,
    );
    expect(cat.stdout).toBe("post\n");
    await world.machines.stop(ref.app, ref.id, { timeoutSeconds: 20 }, forever);
    await reached(world, ref.id, "stopped");

    expect(await logOf(world, ref, "side")).toBe("post\npre\nterm\nterm\n");
  });
}

const limited = (memory_bytes: number): Partial<Bundle> => ({
  containers: { main: { resources: { cpu_millis: 100, memory_bytes } } },
});

function ends(given: Given): void {
  it("the message of an end is what the container left, else the end of its log", async () => {
    const world = given();
    const path = "/dev/termination-log";
    const ref = await living(world, {
      containers: [
        { name: "tells", exec: shell(`echo said > ${path}; echo logged; exit 1`), restart: never },
        { name: "logs", exec: shell("echo logged; exit 1"), restart: never },
        { name: "well", exec: shell("echo logged"), restart: never },
      ],
      bundles: Object.fromEntries(
        ["tells", "logs", "well"].map((name) => [
          name,
          { terminationMessage: { path, fallsBackToLogs: true } },
        ]),
      ),
    });
    await reached(world, ref.id, "stopped");
    const { containers } = await world.protocol.report(ref, forever);

    expect(containers.map(({ state }) => state.terminated?.message)).toEqual([
      "said\n",
      "logged\n",
      undefined,
    ]);
  });

  it("after its deadline a Machine stops what still runs, and says why", async () => {
    const world = given();
    const deadlineAt = new Date(Date.now() + 1_500).toISOString();
    const ref = await living(world, {
      config: SHARED,
      containers: [
        { name: "main", exec: shell(UNTIL_TERM), mounts, restart: { policy: "always" } },
      ],
      bundle: { deadlineAt },
    });
    await reached(world, ref.id, "stopped");
    const report = await world.protocol.report(ref, forever);

    expect(report.ended?.reason).toBe("DeadlineExceeded");
    expect(report.containers[0]?.state.terminated).toBeDefined();
  });

  it("who is ended from outside gets its signal and its grace, and says why", async () => {
    const world = given();
    const ref = await living(world, {
      containers: [
        { name: "deaf", exec: shell("trap '' TERM; while :; do sleep 1; done") },
        { name: "polite", exec: shell("trap 'exit 0' TERM; while :; do sleep 1 & wait $!; done") },
      ],
    });
    await reported(world, ref, ({ containers }) => containers.every(({ state }) => state.running));
    const end = { reason: "Evicted", message: "the disk is full. " };
    await world.protocol.end(ref, { ...end, graceSeconds: 1 }, forever);
    await reached(world, ref.id, "stopped");
    const report = await world.protocol.report(ref, forever);

    expect(report.ended).toEqual(end);
    const exits = report.containers.map(({ state }) => state.terminated?.exitCode);
    expect(exits).toEqual([137, 0]);
  });

  it("new limits are in force without a restart", async () => {
    const world = given();
    const ref = await living(world, {
      config: SHARED,
      containers: [{ name: "main", exec: shell(UNTIL_TERM), mounts }],
      bundle: limited(64 * 2 ** 20),
    });
    await reported(world, ref, ({ containers }) => containers[0]?.state.running !== undefined);
    const bundle = { containers: {}, volumes: {}, ...limited(96 * 2 ** 20) };
    await world.protocol.deliver(ref, bundle, forever);
    const report = await reported(
      world,
      ref,
      ({ containers }) => containers[0]?.resources?.memory_bytes === 96 * 2 ** 20,
    );

    expect(report.containers[0]?.restartCount).toBe(0);
  });
}

function added(given: Given): void {
  it("a container that is added sees the processes of its target, and is started once", async () => {
    const world = given();
    const ref = await living(world, {
      config: SHARED,
      containers: [{ name: "main", exec: shell(UNTIL_TERM), mounts }],
    });
    await reported(world, ref, ({ containers }) => containers[0]?.state.running !== undefined);
    const [entrypoint = "", ...cmd] = shell("ps");
    const bundle = { entrypoint: [entrypoint], cmd };
    const debug = { image: world.image, target: "main", bundle };
    await world.protocol.addContainer(ref, "debug", debug, forever);
    await world.protocol.addContainer(ref, "debug", debug, forever);
    const report = await reported(
      world,
      ref,
      ({ containers }) => containers[1]?.state.terminated !== undefined,
    );

    expect(report.containers.map(({ name }) => name)).toEqual(["main", "debug"]);
    expect(await logOf(world, ref, "debug")).toContain("trap 'echo term");
  });
}
