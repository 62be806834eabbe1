import { expect, test } from "bun:test";
import type { Machine, MachineConfig } from "#core/fly/machine.ts";
import type { Bundle, ContainerReport, MachineChange } from "#core/fly/machine-protocol.ts";
import type { MachineProtocol } from "#core/ports/machine-protocol.ts";
import { protocolPrograms } from "./protocol-programs.ts";
import { it, type ProgramOptions, suite } from "./suite.ts";
import {
  type ContractWorld,
  codeOf,
  configOf,
  eventually,
  forever,
  launch,
  launched,
  type OpenWorld,
  type ProtocolWorld,
  reached,
  refOf,
} from "./world.ts";

const EMPTY: Bundle = { containers: {}, volumes: {} };

/** What every implementation of `MachineProtocol` promises. */
export function machineProtocolContract(
  name: string,
  open: OpenWorld,
  options: ProgramOptions,
): void {
  const openProtocol = async (): Promise<ProtocolWorld> => {
    const { protocol, ...world } = await open();
    if (protocol === undefined) throw new Error(`${name} does not serve the Machine protocol`);
    return { ...world, protocol };
  };
  suite(`Machine protocol, ${name}`, openProtocol, options, (given) => {
    bundles(given);
    changes(given);
    if (options.programs === "real") protocolPrograms(given);
    else test.skip(`logs, exec, files, connect: ${name} runs no real programs`, () => {});
  });
}

function awaiting(world: ContractWorld): MachineConfig {
  return configOf(world, {}, { metadata: { fks_awaits: "bundle" } });
}

function mainOf(world: ProtocolWorld, machine: Machine): Promise<ContainerReport | undefined> {
  return world.protocol
    .report(refOf(world, machine), forever)
    .then(({ containers }) => containers[0]);
}

function bundles(given: () => ProtocolWorld): void {
  it("no container of a Machine that awaits a bundle starts before it came", async () => {
    const world = given();
    const machine = await launched(world, awaiting(world));
    const report = await world.protocol.report(refOf(world, machine), forever);

    expect(report.awaits).toBe("bundle");
    expect(report.networkReadyAt).toBeString();
    expect(report.containers.map(({ name }) => name)).toEqual(["main"]);
    expect(report.containers[0]).toMatchObject({ started: false, ready: false, restartCount: 0 });
    expect(report.containers[0]?.state.waiting).toBeDefined();
  });

  it("once the bundle came the containers run, and the events tell how", async () => {
    const world = given();
    const ref = refOf(world, await launched(world, awaiting(world)));
    const before = await world.protocol.report(ref, forever);
    await world.protocol.deliver(ref, EMPTY, forever);
    const report = await eventually(async () => {
      const now = await world.protocol.report(ref, forever);
      return now.containers[0]?.state.running === undefined ? undefined : now;
    });

    expect(report.awaits).toBeUndefined();
    expect(report.revision).toBeGreaterThan(before.revision);
    expect(report.containers[0]).toMatchObject({ started: true, ready: true });
    expect(report.containers[0]?.containerID).toMatch(/^fks:\/\//);
    expect(report.containers[0]?.imageID).toMatch(/@sha256:[0-9a-f]{64}$/);
    const reasons = report.events.map(({ reason }) => reason);
    expect(reasons).toEqual(expect.arrayContaining(["Pulled", "Created", "Started"]));
    const seqs = report.events.map(({ seq }) => seq);
    expect(seqs).toEqual([...new Set(seqs)].toSorted((a, b) => a - b));
  });

  it("a bundle that comes again disturbs nothing that runs", async () => {
    const world = given();
    const machine = await launched(world, awaiting(world));
    const ref = refOf(world, machine);
    await world.protocol.deliver(ref, EMPTY, forever);
    const first = await eventually(async () => {
      const main = await mainOf(world, machine);
      return main?.state.running === undefined ? undefined : main;
    });
    await world.protocol.deliver(ref, EMPTY, forever);

    expect(await mainOf(world, machine)).toEqual(first);
  });

  it("a bundle may come before the Machine is up", async () => {
    const world = given();
    const machine = await launch(world, awaiting(world));
    await world.protocol.deliver(refOf(world, machine), EMPTY, forever);
    await reached(world, machine.id, "started");

    await eventually(async () => (await mainOf(world, machine))?.state.running);
  });

  it("no read ever shows a bundle", async () => {
    const world = given();
    const machine = await launched(world, awaiting(world));
    const ref = refOf(world, machine);
    const main = { env: [{ name: "PASSWORD", value: "s3cr3t" }] };
    await world.protocol.deliver(ref, { containers: { main }, volumes: {} }, forever);
    const shown = [
      await world.protocol.report(ref, forever),
      await world.machines.get(world.app, machine.id, forever),
    ];

    expect(JSON.stringify(shown)).not.toContain("s3cr3t");
  });

  it("what is not there is NotFound", async () => {
    const world = given();
    const { protocol } = world;
    const nowhere = { app: world.app, id: "0000000000ffff" };
    const ref = refOf(world, await launched(world, awaiting(world)));

    expect(await codeOf(protocol.report(nowhere, forever))).toBe("NotFound");
    expect(await codeOf(protocol.deliver(nowhere, EMPTY, forever))).toBe("NotFound");
    expect(await codeOf(protocol.logs(nowhere, "main", {}, forever))).toBe("NotFound");
    expect(await codeOf(protocol.logs(ref, "other", {}, forever))).toBe("NotFound");
    const command = { command: ["true"], tty: false };
    expect(await codeOf(protocol.exec(ref, "other", command, forever))).toBe("NotFound");
    expect(await codeOf(protocol.attach(ref, "other", {}, forever))).toBe("NotFound");
    expect(await codeOf(protocol.writeFiles(ref, "other", [], forever))).toBe("NotFound");
  });

  it("exec and attach in a container that does not run are a Conflict", async () => {
    const world = given();
    const ref = refOf(world, await launched(world, awaiting(world)));
    const command = { command: ["true"], tty: false };

    expect(await codeOf(world.protocol.exec(ref, "main", command, forever))).toBe("Conflict");
    expect(await codeOf(world.protocol.attach(ref, "main", {}, forever))).toBe("Conflict");
  });

  it("a wrong token is Unauthorized", async () => {
    const world = given();
    const { stranger } = world;
    if (stranger?.protocol === undefined) return;
    const ref = { app: world.app, id: "0000000000ffff" };
    expect(await codeOf(stranger.protocol.report(ref, forever))).toBe("Unauthorized");
  });
}

/** Reads the change stream until `isEnough` says so. */
async function watched(
  protocol: MachineProtocol,
  isEnough: (change: MachineChange) => boolean,
): Promise<readonly MachineChange[]> {
  const seen: MachineChange[] = [];
  const stop = new AbortController();
  for await (const change of protocol.watch(stop.signal)) {
    seen.push(change);
    if (isEnough(change)) stop.abort(new Error("seen enough"));
  }
  return seen;
}

function isAbout(change: MachineChange, id: string): boolean {
  return (
    (change.type === "machine" && change.machine.id === id) ||
    (change.type === "gone" && change.id === id)
  );
}

function changes(given: () => ProtocolWorld): void {
  it("the change stream begins with every Machine there is", async () => {
    const world = given();
    const machine = await launched(world);
    const seen = await watched(world.protocol, ({ type }) => type === "synced");

    const line = seen.find((change) => isAbout(change, machine.id));
    expect(line).toMatchObject({ type: "machine", app: world.app });
    expect(line).toMatchObject({ machine: { name: machine.name, state: "started" } });
    expect(line).toMatchObject({ report: { containers: [{ name: "main" }] } });
  });

  it("…and goes on with each change, up to destroyed and gone", async () => {
    const world = given();
    let id: string | undefined;
    const seen = await watched(world.protocol, (change) => {
      if (change.type === "synced") {
        void launched(world).then((machine) => {
          id = machine.id;
          return world.machines.destroy(world.app, id, true, forever);
        });
      }
      return change.type === "gone" && change.id === id;
    });

    const about = seen.filter((change) => isAbout(change, id ?? ""));
    const states = about.map((change) => change.type === "machine" && change.machine.state);
    expect(states).toContain("started");
    expect(states.slice(-2)).toEqual(["destroyed", false]);
    const revisions = about.flatMap((change) =>
      change.type === "machine" ? [change.report.revision] : [],
    );
    expect(revisions).toEqual(revisions.toSorted((a, b) => a - b));
  });
}
