import type { ContainerId, MachineSpec, StartedContainer } from "../../runtime.ts";
import { containerSpec, machineSpec, type World } from "./world.ts";

export const FOREVER = ["sleep", "1000"];

type Changes = Parameters<typeof containerSpec>[3];

interface Started extends StartedContainer {
  readonly id: ContainerId;
}

interface Containers {
  /** A prepared Machine. */
  newMachine(changes?: Partial<MachineSpec>): Promise<MachineSpec>;
  start(machine: MachineSpec, args: readonly string[], changes?: Changes): Promise<Started>;
  /** In a Machine of its own. */
  run(
    args: readonly string[],
    changes?: Changes,
  ): Promise<Started & { readonly machine: MachineSpec }>;
  /** What a shell script in this container prints, both streams. */
  sh(id: ContainerId, script: string): Promise<string>;
}

interface Collector {
  readonly sink: WritableStream<Uint8Array>;
  text(): string;
}

/** Machines and containers of one test file, each Machine with a number of its own. */
export function containersOf(world: World): Containers {
  let serial = 0;

  async function newMachine(changes: Partial<MachineSpec> = {}): Promise<MachineSpec> {
    serial += 1;
    const machine = { ...machineSpec(world.plan, serial), ...changes };
    await world.runtime.prepare(machine, world.signal);
    return machine;
  }

  async function start(machine: MachineSpec, args: readonly string[], changes: Changes = {}) {
    const container = containerSpec(world, machine, args, changes);
    const started = await world.runtime.start(container, world.signal);
    return { ...started, id: container.id };
  }

  async function run(args: readonly string[], changes: Changes = {}) {
    const machine = await newMachine();
    return { machine, ...(await start(machine, args, changes)) };
  }

  async function sh(id: ContainerId, script: string): Promise<string> {
    const out = collector();
    const err = collector();
    const command = ["sh", "-c", script];
    const request = { command, tty: false, stdout: out.sink, stderr: err.sink };
    await world.runtime.exec(id, request, world.signal);
    return out.text() + err.text();
  }

  return { newMachine, start, run, sh };
}

export function collector(): Collector {
  const chunks: Uint8Array[] = [];
  const sink = new WritableStream<Uint8Array>({ write: (chunk) => void chunks.push(chunk) });
  return { sink, text: () => Buffer.concat(chunks).toString() };
}

/** What comes true in a moment. */
export async function eventually<Result>(look: () => Promise<Result> | Result): Promise<Result> {
  for (let tries = 0; ; tries += 1) {
    try {
      return await look();
    } catch (error) {
      if (tries === 200) throw error;
      await Bun.sleep(10);
    }
  }
}
