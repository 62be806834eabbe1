import { expect } from "bun:test";
import type { ContainerConfig, MachineConfig } from "#core/fly/machine.ts";
import type { Bundle, MachineRef, VolumeFile } from "#core/fly/machine-protocol.ts";
import type { MachineProtocol } from "#core/ports/machine-protocol.ts";
import { protocolLife } from "./protocol-life.ts";
import { protocolPods } from "./protocol-pods.ts";
import { protocolStreams } from "./protocol-streams.ts";
import { it } from "./suite.ts";
import {
  codeOf,
  configOf,
  eventually,
  forever,
  launch,
  launched,
  type ProtocolWorld,
  reached,
  refOf,
  runningScript,
  shell,
  sink,
} from "./world.ts";

type Given = () => ProtocolWorld;

/** The part of the Machine protocol that needs programs which really run. */
export function protocolPrograms(given: Given): void {
  logs(given);
  endings(given);
  bundleContents(given);
  files(given);
  protocolStreams(given);
  protocolLife(given);
  protocolPods(given);
}

/** A Machine whose container got this bundle and is not restarted. */
async function bundled(
  world: ReturnType<Given>,
  container: Partial<ContainerConfig>,
  bundle: Bundle,
  config: MachineConfig = {},
) {
  const awaiting = { ...config, metadata: { fks_awaits: "bundle" } };
  const ref = refOf(world, await launched(world, configOf(world, container, awaiting)));
  await world.protocol.deliver(ref, bundle, forever);
  return ref;
}

function ended(world: ReturnType<Given>, ref: MachineRef, container = "main") {
  return eventually(async () => {
    const report = await world.protocol.report(ref, forever);
    return report.containers.find(({ name }) => name === container)?.state.terminated;
  });
}

async function logOf(
  world: ReturnType<Given>,
  ref: MachineRef,
  options: Parameters<MachineProtocol["logs"]>[2] = {},
): Promise<string> {
  return new Response(await world.protocol.logs(ref, "main", options, forever)).text();
}

function logs(given: Given): void {
  it("the log of a container that ended can be cut in every way", async () => {
    const world = given();
    const ref = await runningScript(world, "echo one; echo two >&2; sleep 0.1; echo three");
    await ended(world, ref);

    expect((await logOf(world, ref)).split("\n").toSorted()).toEqual(["", "one", "three", "two"]);
    expect(await logOf(world, ref, { tailLines: 1 })).toBe("three\n");
    expect(await logOf(world, ref, { tailLines: 0 })).toBe("");
    expect(await logOf(world, ref, { limitBytes: 2 })).toHaveLength(2);
    expect(await logOf(world, ref, { sinceTime: "2000-01-01T00:00:00Z" })).toContain("one");
    expect(await logOf(world, ref, { sinceTime: "2100-01-01T00:00:00Z" })).toBe("");
    expect(await logOf(world, ref, { tailLines: 1, timestamps: true })).toMatch(
      /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}(Z|[+-]\d\d:\d\d) three\n$/,
    );
  });

  it("the logs of a Machine that is gone are kept until they are forgotten", async () => {
    const world = given();
    const { keptLogs } = world.protocol;
    const ref = await runningScript(world, "echo one; echo two");
    await ended(world, ref);
    expect(await keptLogs.list(forever)).not.toContain(ref.id);
    await world.machines.destroy(ref.app, ref.id, true, forever);
    await reached(world, ref.id, "destroyed");

    const read = async (options = {}): Promise<string> =>
      new Response(await keptLogs.read(ref.id, "main", options, forever)).text();
    expect(await keptLogs.list(forever)).toContain(ref.id);
    expect(await read()).toBe("one\ntwo\n");
    expect(await read({ tailLines: 1, follow: true })).toBe("two\n");
    expect(await read({ limitBytes: 2 })).toBe("on");
    expect(await codeOf(read({ previous: true }))).toBe("NotFound");
    expect(await codeOf(keptLogs.read(ref.id, "..", {}, forever))).toBe("NotFound");
    expect(await codeOf(keptLogs.read("../m", "main", {}, forever))).toBe("NotFound");

    await keptLogs.forget(ref.id, forever);
    await keptLogs.forget(ref.id, forever);
    expect(await keptLogs.list(forever)).not.toContain(ref.id);
    expect(await codeOf(read())).toBe("NotFound");
  });

  it("a followed log comes as it is written and ends with the container", async () => {
    const world = given();
    const ref = await runningScript(
      world,
      "echo ready; until [ -e /go ]; do sleep 0.1; done; echo done",
    );
    const log = await world.protocol.logs(ref, "main", { follow: true }, forever);
    let seen = "";
    for await (const bytes of log) {
      seen += new TextDecoder().decode(bytes);
      if (!seen.includes("ready") || seen.includes("done")) continue;
      await world.protocol.exec(ref, "main", { command: ["touch", "/go"], tty: false }, forever);
    }

    expect(seen).toBe("ready\ndone\n");
  });

  it("a followed log ends when its reader leaves", async () => {
    const world = given();
    const ref = await runningScript(world, "while :; do echo tick; sleep 0.1; done");
    const stop = new AbortController();
    const reason = new Error("the reader left");
    const log = await world.protocol.logs(ref, "main", { follow: true }, stop.signal);
    const read = codeOf(new Response(log).text());
    stop.abort(reason);

    expect(await read).toBe(reason);
  });

  it("the log before the last restart is the previous one", async () => {
    const world = given();
    const script =
      "[ -e /v/again ] && { echo second; sleep 100; }; echo first; touch /v/again; exit 1";
    const config = configOf(
      world,
      { exec: shell(script), restart: { policy: "always" }, mounts: [{ name: "v", path: "/v" }] },
      { volumes: [{ name: "v", temp_dir: { storage_type: "memory" } }] },
    );
    const ref = refOf(world, await launched(world, config));
    const main = await eventually(async () => {
      const { containers } = await world.protocol.report(ref, forever);
      return containers.find(({ restartCount, state }) => restartCount === 1 && state.running);
    });
    await eventually(async () => ((await logOf(world, ref)) === "second\n" ? true : undefined));

    expect(await logOf(world, ref, { previous: true })).toBe("first\n");
    expect(main.lastState?.terminated).toMatchObject({ exitCode: 1, reason: "Error" });
  });
}

function endings(given: Given): void {
  it("a container's end is told with code, reason and times", async () => {
    const world = given();
    const failed = await ended(world, await runningScript(world, "exit 3"));
    const completed = await ended(world, await runningScript(world, "exit 0"));
    const killed = await ended(world, await runningScript(world, "kill -9 $$"));

    expect(failed).toMatchObject({ exitCode: 3, reason: "Error" });
    expect(completed).toMatchObject({ exitCode: 0, reason: "Completed" });
    expect(killed.exitCode).toBe(137);
    expect(Date.parse(failed.finishedAt)).toBeGreaterThanOrEqual(Date.parse(failed.startedAt));
  });
}

function bundleContents(given: Given): void {
  it("env, command and working directory of the bundle win", async () => {
    const world = given();
    const container = { env: { A: "config", B: "config" } };
    const main = {
      env: [
        { name: "A", value: "bundle" },
        { name: "C", value: "x y=z\n" },
      ],
      entrypoint: ["/bin/busybox", "sh", "-c"],
      cmd: ['echo "$A $B $C $PWD"'],
      workingDir: "/tmp",
    };
    const config = configOf(world, container, { metadata: { fks_awaits: "bundle" } });
    const [only] = config.containers ?? [];
    const { exec: _, ...rest } = only ?? { name: "main", image: world.image };
    const machine = await launched(world, { ...config, containers: [rest] });
    const ref = refOf(world, machine);
    await world.protocol.deliver(ref, { containers: { main }, volumes: {} }, forever);
    await ended(world, ref);

    expect(await logOf(world, ref)).toBe("bundle config x y=z\n /tmp\n");
  });

  it("the Machine's own address is its private_ip", async () => {
    const world = given();
    const machine = await launch(
      world,
      configOf(world, { exec: shell("ip -6 addr; hostname -i") }),
    );
    const ref = refOf(world, machine);
    await ended(world, ref);

    expect(await logOf(world, ref)).toContain(machine.private_ip);
  });
}

/** A volume's file for its owner and group. */
function file(path: string, text: string): VolumeFile {
  return { path, mode: 0o640, content: Buffer.from(text).toString("base64") };
}

function files(given: Given): void {
  it("the bundle's files are there before the program, and change while it runs", async () => {
    const world = given();
    const { protocol } = world;
    const ref = await bundled(
      world,
      {
        exec: shell("cat /etc/v/token; stat -c %a /etc/v/..data/token; sleep 100"),
        mounts: [{ name: "v", path: "/etc/v" }],
      },
      { containers: {}, volumes: { v: [file("token", "first\n"), file("deep/er", "down\n")] } },
      { volumes: [{ name: "v", temp_dir: { storage_type: "memory" } }] },
    );
    await eventually(async () => {
      // A container that waits to start has no log to read yet.
      const log = await logOf(world, ref).catch(() => "");
      return log.includes("first\n640\n") ? true : undefined;
    });
    const cat = async (path: string) => {
      const stdout = sink();
      const request = { command: ["cat", path], tty: false, stdout: stdout.stream };
      const { exitCode } = await protocol.exec(ref, "main", request, forever);
      return exitCode === 0 ? stdout.text() : exitCode;
    };
    expect(await cat("/etc/v/deep/er")).toBe("down\n");

    await protocol.writeFiles(ref, "v", [file("token", "second\n")], forever);
    expect(await cat("/etc/v/token")).toBe("second\n");
    expect(await cat("/etc/v/deep/er")).toBe(1);
    expect(await codeOf(protocol.writeFiles(ref, "v", [file("../../x", "")], forever))).toBe(
      "InvalidInput",
    );
  });
}
