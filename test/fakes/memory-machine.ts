import type { ContainerConfig, Machine, MachineConfig, MachineState } from "#core/fly/machine.ts";
import type {
  Bundle,
  ContainerEvent,
  ContainerReport,
  ContainerState,
  MachineReport,
} from "#core/fly/machine-protocol.ts";
import { AWAITS_KEY, INIT_KEY } from "#core/fly/machine-protocol.ts";

/** A Machine of the memory world: plain values, replaced whole at every change. */
export interface MemoryMachine {
  readonly app: string;
  readonly machine: Machine;
  readonly report: MachineReport;
  readonly bundle: Bundle | undefined;
}

/** How a container ended; `reason` defaults to what the exit code says. */
export interface ContainerEnd {
  readonly exitCode: number;
  readonly signal?: number;
  readonly reason?: string;
}

const EVENTS_KEPT = 50;

export function newMachine(app: string, machine: Machine): MemoryMachine {
  const config = machine.config ?? {};
  const awaits = config.metadata?.[AWAITS_KEY] === "bundle";
  return {
    app,
    machine,
    bundle: undefined,
    report: {
      revision: 1,
      ...(awaits && { awaits: "bundle" }),
      containers: containersOf(config).map(freshContainer),
      events: [],
    },
  };
}

function freshContainer({ name, image }: ContainerConfig): ContainerReport {
  return {
    name,
    image,
    imageID: "",
    containerID: "",
    restartCount: 0,
    state: waiting("ContainerCreating"),
    started: false,
    ready: false,
  };
}

/** The same Machine with one more container, which runs. */
export function withAdded(
  found: MemoryMachine,
  container: ContainerConfig,
  nowMs: number,
): MemoryMachine {
  const containers = [...found.report.containers, freshContainer(container)];
  return running(withReport(found, { containers }), nowMs);
}

/** What runs in a Machine; one with a single image is the special case `main`. */
export function containersOf(config: MachineConfig): readonly ContainerConfig[] {
  if (config.containers !== undefined) return config.containers;
  return config.image === undefined ? [] : [{ name: "main", image: config.image }];
}

export function waiting(reason: string): ContainerState {
  return { waiting: { reason } };
}

/** The same Machine in another state, with the event that tells of it. */
export function inState(found: MemoryMachine, state: MachineState, nowMs: number): MemoryMachine {
  const { machine } = found;
  const event = {
    id: `${machine.id}-${machine.events.length}`,
    type: EVENT_TYPE[state] ?? "update",
    status: state,
    source: "flyd",
    timestamp: nowMs,
  } as const;
  return withReport(
    {
      ...found,
      machine: {
        ...machine,
        state,
        updated_at: new Date(nowMs).toISOString(),
        events: [event, ...machine.events].slice(0, 20),
      },
    },
    {},
  );
}

const EVENT_TYPE: Readonly<Partial<Record<MachineState, string>>> = {
  created: "launch",
  starting: "start",
  started: "start",
  stopping: "stop",
  stopped: "exit",
  destroying: "destroy",
  destroyed: "destroy",
};

/** The same Machine with a changed report and the next revision. */
export function withReport(found: MemoryMachine, change: Partial<MachineReport>): MemoryMachine {
  const report = { ...found.report, ...change, revision: found.report.revision + 1 };
  return { ...found, report };
}

export function withContainer(
  found: MemoryMachine,
  name: string,
  change: Partial<ContainerReport>,
): MemoryMachine {
  return withReport(found, {
    containers: found.report.containers.map((container) =>
      container.name === name ? { ...container, ...change } : container,
    ),
  });
}

/**
 * Every container whose turn it is and that waits or ended runs now, with the kubelet's events; the
 * refused wait. `isMeant` may leave some out.
 */
export function running(
  found: MemoryMachine,
  nowMs: number,
  isMeant: (container: ContainerReport) => boolean = () => true,
): MemoryMachine {
  const at = new Date(nowMs).toISOString();
  const refusalOf = (name: string) => found.bundle?.containers[name]?.refused;
  const idle = inTurn(found).filter(
    (one) => one.state.running === undefined && refusalOf(one.name) === undefined && isMeant(one),
  );
  const started = withReport(found, {
    containers: found.report.containers.map((container) => {
      if (idle.includes(container)) return startedContainer(found, container, at);
      const refused = refusalOf(container.name);
      return container.state.running !== undefined || refused === undefined
        ? container
        : { ...container, state: { waiting: refused } };
    }),
  });
  return idle.reduce(
    (machine, { name, image }) => withEvents(machine, name, startEvents(image), at),
    started,
  );
}

/** Init containers one after the other until one has not ended well yet, then all the others. */
function inTurn({ machine, report }: MemoryMachine): readonly ContainerReport[] {
  const init = initContainersOf(machine);
  const hasEndedWell = ({ name, state }: ContainerReport): boolean =>
    init.includes(name) && state.terminated?.exitCode === 0;
  const left = report.containers.filter((container) => !hasEndedWell(container));
  const next = left.findIndex(({ name }) => init.includes(name));
  return next === -1 ? left : left.slice(0, next + 1);
}

/** Names of the containers that end before others start. */
export function initContainersOf({ config }: Machine): readonly string[] {
  return config?.metadata?.[INIT_KEY]?.split(",") ?? [];
}

/** True when its policy starts the container again after it ended so. */
export function isRestarted({ machine }: MemoryMachine, { name, state }: ContainerReport): boolean {
  const container = containersOf(machine.config ?? {}).find((one) => one.name === name);
  const policy = container?.restart?.policy ?? "always";
  if (state.terminated === undefined || policy === "no") return false;
  return policy === "always" || state.terminated.exitCode !== 0;
}

function startedContainer(
  found: MemoryMachine,
  container: ContainerReport,
  at: string,
): ContainerReport {
  const again = container.state.terminated !== undefined;
  const restartCount = container.restartCount + (again ? 1 : 0);
  return {
    ...container,
    imageID: `${container.image}@sha256:${"0".repeat(64)}`,
    containerID: `fks://${found.machine.id}/${container.name}/${restartCount}`,
    restartCount,
    ...(again && { lastState: container.state }),
    state: { running: { startedAt: at } },
    started: true,
    ready: true,
  };
}

function startEvents(image: string): readonly [string, string][] {
  return [
    ["Pulled", `Container image "${image}" already present on machine`],
    ["Created", "Container created"],
    ["Started", "Container started"],
  ];
}

function withEvents(
  found: MemoryMachine,
  container: string,
  events: readonly [string, string][],
  at: string,
): MemoryMachine {
  const last = found.report.events.at(-1)?.seq ?? 0;
  const added = events.map(
    ([reason, message], index): ContainerEvent => ({
      seq: last + index + 1,
      container,
      type: "Normal",
      reason,
      message,
      at,
    }),
  );
  return withReport(found, { events: [...found.report.events, ...added].slice(-EVENTS_KEPT) });
}

/** A container that runs ends so; one that does not run stays as it is. */
export function ended(
  found: MemoryMachine,
  name: string,
  end: ContainerEnd,
  nowMs: number,
): MemoryMachine {
  const container = found.report.containers.find((candidate) => candidate.name === name);
  const startedAt = container?.state.running?.startedAt;
  if (container === undefined || startedAt === undefined) return found;

  return withContainer(found, name, {
    started: false,
    ready: false,
    state: {
      terminated: {
        exitCode: end.exitCode,
        ...(end.signal !== undefined && { signal: end.signal }),
        reason: end.reason ?? (end.exitCode === 0 ? "Completed" : "Error"),
        startedAt,
        finishedAt: new Date(nowMs).toISOString(),
        containerID: container.containerID,
      },
    },
  });
}

export function allEnded(found: MemoryMachine, end: ContainerEnd, nowMs: number): MemoryMachine {
  return found.report.containers.reduce(
    (machine, { name }) => ended(machine, name, end, nowMs),
    found,
  );
}
