import { FksError } from "#core/errors.ts";
import type { MachineState } from "#core/fly/machine.ts";
import type { Bundle, ContainerReport } from "#core/fly/machine-protocol.ts";
import type { App, Apps } from "#core/ports/apps.ts";
import type { Clock } from "#core/ports/clock.ts";
import type { Connection, MachineProtocol } from "#core/ports/machine-protocol.ts";
import type { Machines } from "#core/ports/machines.ts";
import { type MemoryAddresses, memoryAddresses } from "./memory-addresses.ts";
import type { MemoryLog } from "./memory-logs.ts";
import {
  type ContainerEnd,
  ended,
  initContainersOf,
  isRestarted,
  type MemoryMachine,
  running,
  withContainer,
  withReport,
} from "./memory-machine.ts";
import { memoryMachines } from "./memory-machines.ts";
import { memoryProtocol } from "./memory-protocol.ts";
import { type Listener, memoryStore } from "./memory-store.ts";
import { type MemoryVolumes, memoryVolumes } from "./memory-volumes.ts";
import { type Program, toyProgram } from "./programs.ts";

interface MemoryWorldOptions {
  readonly clock: Clock;
  /** How long each step of a Machine's life takes; 0: done before the call returns. */
  readonly stepMs?: number;
  /** Apps that exist from the beginning. */
  readonly apps?: readonly string[];
  readonly program?: Program;
}

/** Apps, Machines and their protocol in memory, and what a test does to them by hand. */
export interface MemoryWorld {
  readonly machines: Machines;
  readonly apps: Apps;
  readonly addresses: MemoryAddresses;
  readonly volumes: MemoryVolumes;
  readonly protocol: MachineProtocol;
  /** Every call in order: `create app/name`, `destroy app/id`, `deliver app/id` … */
  readonly calls: readonly string[];
  /** Every Machine that is not destroyed. */
  readonly all: () => readonly MemoryMachine[];
  readonly bundleOf: (id: string) => Bundle | undefined;
  readonly onChange: (listener: Listener) => () => void;
  readonly setState: (id: string, state: MachineState) => void;
  readonly setContainer: (id: string, name: string, change: Partial<ContainerReport>) => void;
  readonly endContainer: (id: string, name: string, end: ContainerEnd) => void;
  /** Starts every container that does not run, with a higher restart count. */
  readonly runContainers: (id: string) => void;
  /** Starts the ones that ended and that their restart policy starts again. */
  readonly restartContainers: (id: string) => void;
  /** Forgets the bundle and asks for it again, as a host does that came back. */
  readonly loseBundle: (id: string) => void;
  /** Destroyed behind everybody's back. */
  readonly destroy: (id: string) => void;
  readonly log: (id: string, container: string) => MemoryLog;
  readonly serve: (id: string, port: number, answer: (connection: Connection) => void) => void;
  readonly cutWatches: () => void;
}

export function memoryWorld(options: MemoryWorldOptions): MemoryWorld {
  const { clock, stepMs = 0, program = toyProgram } = options;
  const store = memoryStore(clock, stepMs);
  const names = new Set(options.apps);
  const calls: string[] = [];
  const called = (what: string): void => {
    calls.push(what);
  };
  const addresses = memoryAddresses({ hasApp: (name) => names.has(name) });
  const volumes = memoryVolumes({
    hasApp: (name) => names.has(name),
    machines: () => store.all(),
    clock,
    called,
  });
  const { protocol, ...hand } = memoryProtocol({ store, clock, program, called });

  return {
    machines: memoryMachines({
      store,
      clock,
      program,
      called,
      hasApp: (name) => names.has(name),
      claim: (inApp, region, config) => volumes.claim(inApp, region, config),
    }),
    apps: memoryApps(names, called, (name) => {
      addresses.forget(name);
      volumes.forget(name);
    }),
    addresses,
    volumes,
    protocol,
    calls,
    all: () => store.all(),
    bundleOf: (id) => store.all().find(({ machine }) => machine.id === id)?.bundle,
    onChange: (listener) => store.subscribe(listener),
    setState: (id, state) => store.setState(id, state),
    setContainer: (id, name, change) =>
      store.change(id, (found) => withContainer(found, name, change)),
    endContainer(id, name, end) {
      let keepsFromBeginning = false;
      store.change(id, (found) => {
        const over = ended(found, name, end, clock.now());
        if (over === found || !initContainersOf(found.machine).includes(name)) return over;
        const container = over.report.containers.find((one) => one.name === name);
        keepsFromBeginning =
          end.exitCode !== 0 && container !== undefined && !isRestarted(over, container);
        return running(over, clock.now(), ({ state }) => state.terminated === undefined);
      });
      // The others will never start, so the Machine ends with what runs beside them.
      if (keepsFromBeginning) store.stop(id, { exitCode: 143, signal: 15 });
    },
    restartContainers: (id) =>
      store.change(id, (found) =>
        running(found, clock.now(), (container) => isRestarted(found, container)),
      ),
    runContainers: (id) => store.change(id, (found) => running(found, clock.now())),
    loseBundle: (id) =>
      store.change(id, (found) =>
        withReport({ ...found, bundle: undefined }, { awaits: "bundle" }),
      ),
    destroy: (id) => store.destroy(id),
    ...hand,
  };
}

function memoryApps(
  names: Set<string>,
  called: (what: string) => void,
  gone: (name: string) => void,
): Apps {
  function begin(signal: AbortSignal, what: string): void {
    signal.throwIfAborted();
    called(what);
  }
  return {
    async get(name, signal) {
      begin(signal, `getApp ${name}`);
      if (names.has(name)) return app(name);
      throw new FksError("NotFound", `Could not find App "${name}"`);
    },
    async create(name, signal) {
      begin(signal, `createApp ${name}`);
      names.add(name);
      return app(name);
    },
    async list(signal) {
      begin(signal, "listApps");
      return [...names].map(app);
    },
    async destroy(name, signal) {
      begin(signal, `destroyApp ${name}`);
      names.delete(name);
      gone(name);
    },
  };
}

function app(name: string): App {
  return { name, status: "deployed" };
}
