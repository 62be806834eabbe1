import { FksError } from "#core/errors.ts";
import type { ContainerConfig, Machine, MachineConfig, MachineState } from "#core/fly/machine.ts";
import type { MachineRef } from "#core/fly/machine-protocol.ts";
import type { Apps } from "#core/ports/apps.ts";
import type { MachineProtocol } from "#core/ports/machine-protocol.ts";
import type { Machines } from "#core/ports/machines.ts";

/** One implementation under test, with all a suite needs of it. */
export interface ContractWorld {
  readonly machines: Machines;
  readonly apps: Apps;
  /** Absent where the Machine protocol is not served. */
  readonly protocol?: MachineProtocol;
  /** The same implementation asked with a wrong token; absent where there are no tokens. */
  readonly stranger?: { readonly machines: Machines; readonly protocol?: MachineProtocol };
  /** An App that exists and is the suite's own. */
  readonly app: string;
  readonly region: string;
  /** An image with busybox in it. */
  readonly image: string;
  /** Appears in names, so that runs beside each other do not meet. */
  readonly run: string;
  close(): Promise<void>;
}

/** A world whose Machines speak the protocol. */
export type ProtocolWorld = ContractWorld & { readonly protocol: MachineProtocol };

/** Opens an implementation once per suite. */
export type OpenWorld = () => Promise<ContractWorld>;

export const forever = new AbortController().signal;

const SLEEP = [
  "/bin/busybox",
  "sh",
  "-c",
  "trap 'exit 0' TERM; while :; do sleep 1 & wait $!; done",
];

/** A config whose only container runs `exec` (default: sleeps until SIGTERM) and is not restarted. */
export function configOf(
  world: ContractWorld,
  container: Partial<ContainerConfig> = {},
  config: MachineConfig = {},
): MachineConfig {
  const main = {
    name: "main",
    image: world.image,
    exec: SLEEP,
    restart: { policy: "no" },
  } as const;
  return { ...config, containers: [{ ...main, ...container }] };
}

export function shell(script: string): readonly string[] {
  return ["/bin/busybox", "sh", "-c", script];
}

let serial = 0;

export function freshName(world: ContractWorld): string {
  serial += 1;
  return `m-${world.run}-${serial}`;
}

/** Launches a Machine under a fresh name. */
export function launch(world: ContractWorld, config = configOf(world)): Promise<Machine> {
  const request = { name: freshName(world), region: world.region, config };
  return world.machines.create(world.app, request, forever);
}

/** Launches one and waits for `state`. */
export async function launched(
  world: ContractWorld,
  config = configOf(world),
  state: MachineState = "started",
): Promise<Machine> {
  const machine = await launch(world, config);
  await reached(world, machine.id, state);
  return machine;
}

export async function reached(
  world: ContractWorld,
  id: string,
  ...states: readonly MachineState[]
): Promise<MachineState> {
  const state = await world.machines.wait(world.app, id, { states, timeoutSeconds: 30 }, forever);
  if (state !== undefined) return state;
  throw new Error(`Machine ${id} did not become ${states.join(" or ")}`);
}

export function refOf(world: ContractWorld, machine: Machine): MachineRef {
  return { app: world.app, id: machine.id };
}

/** A Machine whose one container runs `script`, or did. */
export async function runningScript(world: ContractWorld, script: string): Promise<MachineRef> {
  const machine = await launch(world, configOf(world, { exec: shell(script) }));
  await reached(world, machine.id, "started", "stopped");
  return refOf(world, machine);
}

/** The code of the FksError it fails with; anything else it does is told as it is. */
export async function codeOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    return { resolvedWith: await promise };
  } catch (error) {
    return error instanceof FksError ? error.code : error;
  }
}

/** Asks until the answer is there; a world that never gives it fails the test by its time. */
export async function eventually<T>(ask: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    await Bun.sleep(20);
  }
}

/** Removes whatever the suite left in its App. */
export async function clear(world: ContractWorld): Promise<void> {
  const left = await world.machines.list(world.app, {}, forever);
  await Promise.all(left.map(({ id }) => world.machines.destroy(world.app, id, true, forever)));
  await Promise.all(left.map(({ id }) => reached(world, id, "destroyed")));
}

export function bytesOf(text: string): ReadableStream<Uint8Array> {
  return new Blob([text]).stream();
}

/** A stream's reader side as text, to hand to an exec. */
export function sink(): { readonly stream: WritableStream<Uint8Array>; text(): string } {
  const chunks: Uint8Array[] = [];
  const stream = new WritableStream<Uint8Array>({
    write: (chunk) => {
      chunks.push(chunk);
    },
  });
  return { stream, text: () => Buffer.concat(chunks).toString() };
}
