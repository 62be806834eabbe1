import { FksError } from "#core/errors.ts";
import type { Machine, MachineConfig, MachineState } from "#core/fly/machine.ts";
import type { ExitStatus } from "#core/fly/machine-protocol.ts";
import type { Clock } from "#core/ports/clock.ts";
import type { CreateMachine, Machines, WaitMachine } from "#core/ports/machines.ts";
import type { MemoryStore } from "./memory-store.ts";
import type { Program } from "./programs.ts";

interface MemoryMachinesDeps {
  readonly store: MemoryStore;
  readonly clock: Clock;
  readonly program: Program;
  readonly hasApp: (name: string) => boolean;
  /** Throws when its volumes cannot be had. */
  readonly claim?: (app: string, region: string, config: MachineConfig) => void;
  /** Called first by every method. */
  readonly called: (what: string) => void;
}

/** The interface `Machines` over the memory world. */
export function memoryMachines(deps: MemoryMachinesDeps): Machines {
  const { store, clock, called } = deps;
  let serial = 0;
  let version = 0;

  function nextVersion(): string {
    version += 1;
    return version.toString().padStart(26, "0");
  }

  function machineFor(request: CreateMachine): Machine {
    serial += 1;
    const at = new Date(clock.now()).toISOString();
    return {
      id: serial.toString(16).padStart(14, "0"),
      name: request.name,
      state: "created",
      region: request.region,
      instance_id: nextVersion(),
      private_ip: `fdaa:0:1:a7b:1:0:${serial.toString(16)}:2`,
      created_at: at,
      updated_at: at,
      config: request.config,
      events: [],
      host_status: "ok",
    };
  }

  function live(app: string, id: string): Machine {
    const { machine } = store.find(app, id);
    if (machine.state === "destroyed") throw new FksError("NotFound", `machine not found: ${id}`);
    return machine;
  }

  return {
    async create(app, request, signal) {
      begin(signal, `create ${app}/${request.name}`);
      if (!deps.hasApp(app)) throw new FksError("NotFound", `Could not find App "${app}"`);
      if (request.config.image === undefined && request.config.containers === undefined) {
        throw new FksError("InvalidInput", "invalid_argument: config needs an image or containers");
      }
      const isTaken = store
        .all()
        .some((found) => found.app === app && found.machine.name === request.name);
      if (isTaken) {
        throw new FksError("Conflict", "already_exists: unique machine name violation");
      }
      deps.claim?.(app, request.region, request.config);
      const { machine } = store.add(app, machineFor(request));
      if (request.skip_launch === true) store.setState(machine.id, "stopped");
      else store.launch(machine.id);
      return machine;
    },

    async list(app, metadata, signal) {
      begin(signal, `list ${app}`);
      if (!deps.hasApp(app)) throw new FksError("NotFound", `Could not find App "${app}"`);
      return store
        .all()
        .filter((found) => found.app === app)
        .map(({ machine }) => machine)
        .filter((machine) => carries(machine, metadata));
    },

    async get(app, id, signal) {
      begin(signal, `get ${app}/${id}`);
      return store.find(app, id).machine;
    },

    async update(app, id, request, signal) {
      begin(signal, `update ${app}/${id}`);
      const before = live(app, id);
      const { current_version: wanted } = request;
      if (wanted !== undefined && wanted !== before.instance_id) {
        throw new FksError("Conflict", "aborted: machine update failed due to concurrent update");
      }
      const instance_id = nextVersion();
      store.change(id, (found) => ({
        ...found,
        machine: { ...found.machine, config: request.config, instance_id },
      }));
      const wasStarted = before.state === "started" && request.skip_launch !== true;
      if (wasStarted) {
        store.setState(id, "replacing");
        store.launch(id);
      }
      return store.find(app, id).machine;
    },

    async start(app, id, signal) {
      begin(signal, `start ${app}/${id}`);
      const { state } = live(app, id);
      if (state === "started") return;
      if (state !== "stopped" && state !== "suspended") {
        throw new FksError(
          "Conflict",
          `failed_precondition: unable to start machine from current state: '${state}'`,
        );
      }
      store.launch(id);
    },

    async stop(app, id, _request, signal) {
      begin(signal, `stop ${app}/${id}`);
      if (live(app, id).state !== "stopped") store.stop(id, { exitCode: 143, signal: 15 });
    },

    async restart(app, id, signal) {
      begin(signal, `restart ${app}/${id}`);
      live(app, id);
      store.restart(id, { exitCode: 143, signal: 15 });
    },

    async signal(app, id, signalName, signal) {
      begin(signal, `signal ${app}/${id} ${signalName}`);
      const { state } = live(app, id);
      if (state !== "started") {
        throw new FksError("Conflict", "failed_precondition: machine is not started");
      }
    },

    async wait(app, id, request, signal) {
      begin(signal, `wait ${app}/${id}`);
      return waitFor(deps, app, id, request, signal);
    },

    async destroy(app, id, force, signal) {
      begin(signal, `destroy ${app}/${id}`);
      const found = store.all().find((other) => other.app === app && other.machine.id === id);
      if (found === undefined) return;
      if (!force && found.machine.state === "started") {
        throw new FksError("Conflict", "failed_precondition: unable to destroy a started machine");
      }
      if (found.machine.state !== "destroying") store.destroy(id);
    },

    async setMetadata(app, id, key, value, signal) {
      begin(signal, `setMetadata ${app}/${id} ${key}`);
      live(app, id);
      store.change(id, (found) => ({
        ...found,
        machine: {
          ...found.machine,
          config: {
            ...found.machine.config,
            metadata: { ...found.machine.config?.metadata, [key]: value },
          },
        },
      }));
    },

    async exec(app, id, request, signal) {
      begin(signal, `exec ${app}/${id}`);
      if (live(app, id).state !== "started") {
        throw new FksError("Conflict", "failed_precondition: machine is not started");
      }
      return bufferedExec(deps.program, request, signal);
    },
  };

  function begin(signal: AbortSignal, what: string): void {
    signal.throwIfAborted();
    called(what);
  }
}

function carries(machine: Machine, metadata: Readonly<Record<string, string>>): boolean {
  return Object.entries(metadata).every(
    ([key, value]) => machine.config?.metadata?.[key] === value,
  );
}

async function waitFor(
  { store, clock }: MemoryMachinesDeps,
  app: string,
  id: string,
  request: WaitMachine,
  signal: AbortSignal,
): Promise<MachineState | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<MachineState | undefined>();
  const look = (): void => {
    const { machine } = store.find(app, id);
    const isMeant = request.instanceId === undefined || machine.instance_id === request.instanceId;
    if (isMeant && request.states.includes(machine.state)) resolve(machine.state);
  };

  try {
    look();
  } catch (error) {
    if (FksError.is(error, "NotFound") && request.states.includes("destroyed")) return "destroyed";
    throw error;
  }
  const unsubscribe = store.subscribe(look);
  const done = new AbortController();
  signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  clock.after(request.timeoutSeconds * 1_000, () => resolve(undefined), done.signal);
  try {
    return await promise;
  } finally {
    unsubscribe();
    done.abort();
  }
}

async function bufferedExec(
  program: Program,
  request: { readonly command: readonly string[]; readonly stdin?: string },
  signal: AbortSignal,
): ReturnType<Machines["exec"]> {
  const out = new TransformStream<Uint8Array, Uint8Array>();
  const err = new TransformStream<Uint8Array, Uint8Array>();
  const stdin = new Response(request.stdin ?? "").body;
  const run = async (): Promise<ExitStatus> => {
    const io = { tty: false, stdout: out.writable, stderr: err.writable };
    const input = stdin === null ? {} : { stdin };
    try {
      return await program({ command: request.command, ...io, ...input }, signal);
    } finally {
      await Promise.allSettled([out.writable.close(), err.writable.close()]);
    }
  };
  const [exit, stdout, stderr] = await Promise.all([
    run(),
    new Response(out.readable).text(),
    new Response(err.readable).text(),
  ]);
  return { exit_code: exit.exitCode, exit_signal: exit.signal ?? -1, stdout, stderr };
}
