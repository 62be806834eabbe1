/**
 * The runtime without processes: states only, for tests and benchmarks. What a container does is
 * told by its arguments:
 *
 * - `exit N` ends at once with N; `sleep-exit MS N` after MS milliseconds;
 * - `echo WORDS…` writes a line to its log and ends with 0;
 * - everything else runs until a signal ends it (143 for SIGTERM, 137 for SIGKILL).
 *
 * `exec` knows `echo WORDS…`, `exit N`, `cat` (standard input, or a file of a mounted volume) and
 * `sh -c` with such commands between semicolons, `>&2` included; anything else ends with 127.
 * Inside every Machine an echo service listens on port 7.
 */

import { FksError } from "#core/errors.ts";
import type { LogOptions } from "#core/fly/machine-protocol.ts";
import type { Clock } from "#core/ports/clock.ts";
import type { KeptLogs } from "#core/ports/kept-logs.ts";
import type { Connection } from "#core/ports/machine-protocol.ts";
import { noneAttach } from "./none-attach.ts";
import { noneExec } from "./none-exec.ts";
import type {
  ContainerExit,
  ContainerId,
  ContainerSpec,
  FoundContainer,
  MachineStats,
  Runtime,
  StartedUser,
  VolumeSpec,
} from "./runtime.ts";

const SIGNALS: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGABRT: 6,
  SIGKILL: 9,
  SIGUSR1: 10,
  SIGUSR2: 12,
  SIGPIPE: 13,
  SIGALRM: 14,
  SIGTERM: 15,
};

const ECHO_PORT = 7;

const NOTHING_USED = {
  cpuNanoseconds: 0,
  memoryBytes: 0,
  usageBytes: 0,
  rssBytes: 0,
  pageFaults: 0,
  majorPageFaults: 0,
  processes: 1,
  rootBytes: 0,
};

interface Running {
  readonly id: ContainerId;
  readonly mounts: ContainerSpec["mounts"];
  readonly log: string;
  readonly startedAtMs: number;
  readonly ends: AbortController;
  exit?: ContainerExit;
}

const keyOf = ({ machineId, name, attempt }: ContainerId): string =>
  `${machineId}/${name}/${attempt}`;

export function noRuntime(clock: Clock): Runtime {
  const machines = new Map<string, Map<string, VolumeSpec>>();
  const containers = new Map<string, Running>();
  const listeners: ((exit: ContainerExit) => void)[] = [];

  function end(running: Running, exitCode: number, signal?: number): void {
    if (running.exit !== undefined) return;
    running.exit = {
      id: running.id,
      exitCode,
      ...(signal === undefined ? {} : { signal }),
      oomKilled: false,
      atMs: clock.now(),
    };
    running.ends.abort();
    for (const listener of listeners) listener(running.exit);
  }

  function livingOf(id: ContainerId): Running {
    const running = containers.get(keyOf(id));
    if (running === undefined) throw new FksError("NotFound", `container ${id.name} is not here`);
    if (running.exit === undefined) return running;
    throw new FksError("Conflict", `container ${id.name} has ended`);
  }

  function begin(running: Running, args: readonly string[]): void {
    const [program, first, second] = args;
    if (program === "exit") queueMicrotask(() => end(running, Number(first ?? 0)));
    if (program === "echo") queueMicrotask(() => end(running, 0));
    if (program === "sleep-exit") {
      clock.after(Number(first), () => end(running, Number(second ?? 0)), running.ends.signal);
    }
  }

  return {
    kind: "none",
    prepare({ machineId }) {
      if (!machines.has(machineId)) machines.set(machineId, new Map());
      return Promise.resolve();
    },
    start(container) {
      const { id, args, mounts } = container;
      const volumes = machines.get(id.machineId);
      if (volumes === undefined) {
        return Promise.reject(new FksError("Unavailable", "the Machine is not prepared"));
      }
      for (const { volume } of mounts) {
        if (!volumes.has(volume.name) || volume.kind === "files") volumes.set(volume.name, volume);
      }
      const log = args[0] === "echo" ? `${args.slice(1).join(" ")}\n` : "";
      const startedAtMs = clock.now();
      const running = { id, mounts, log, startedAtMs, ends: new AbortController() };
      containers.set(keyOf(id), running);
      begin(running, args);
      return Promise.resolve({ pid: 0, startedAtMs, user: userOf(container) });
    },
    signal(id, signalName) {
      const running = containers.get(keyOf(id));
      const number = SIGNALS[signalName];
      if (running !== undefined && number !== undefined) end(running, 128 + number, number);
      return Promise.resolve();
    },
    release: () => Promise.resolve(),
    remove(machineId) {
      machines.delete(machineId);
      for (const [key, running] of containers) {
        if (running.id.machineId !== machineId) continue;
        end(running, 137, 9);
        containers.delete(key);
      }
      return Promise.resolve();
    },
    recall(found) {
      for (const { id, startedAtMs } of found) {
        if (containers.has(keyOf(id))) continue;
        if (!machines.has(id.machineId)) machines.set(id.machineId, new Map());
        const ends = new AbortController();
        containers.set(keyOf(id), { id, mounts: [], log: "", startedAtMs, ends });
      }
    },
    list: () => Promise.resolve([...containers.values()].map(foundOf)),
    onExit: (listener) => void listeners.push(listener),
    async exec(id, request, signal) {
      const { mounts } = livingOf(id);
      const volumes = machines.get(id.machineId) ?? new Map<string, VolumeSpec>();
      return noneExec(request, { mounts, volumes }, signal);
    },
    async attach(id, request, signal) {
      const running = livingOf(id);
      return noneAttach(request, { ended: running.ends.signal, exit: () => running.exit }, signal);
    },
    terminationMessage: () => Promise.resolve(""),
    resize: async (id) => void livingOf(id),
    logs(id, options) {
      const bytes = new TextEncoder().encode(
        linesOf(containers.get(keyOf(id))?.log ?? "", options),
      );
      return Promise.resolve(new Response(bytes).body ?? new ReadableStream());
    },
    keptLogs: NO_LOGS,
    connect: (_machineId, port) => echoAt(port),
    dial: (_machineId, { port }) => echoAt(port),
    writeVolume(machineId, volume) {
      machines.get(machineId)?.set(volume.name, volume);
      return Promise.resolve();
    },
    stats: (machineId) => Promise.resolve(statsOf(machineId, containers.values())),
  };
}

function statsOf(machineId: string, containers: Iterable<Running>): MachineStats {
  const running = [...containers].filter(
    ({ id, exit }) => id.machineId === machineId && exit === undefined,
  );
  return {
    containers: running.map(({ id, startedAtMs }) => ({
      name: id.name,
      startedAtMs,
      ...NOTHING_USED,
    })),
    volumes: [],
    network: undefined,
  };
}

/** States have nothing to say once they are gone. */
const NO_LOGS: KeptLogs = {
  list: () => Promise.resolve([]),
  read: () => Promise.reject(new FksError("NotFound", "no logs are kept")),
  forget: () => Promise.resolve(),
};

function echoAt(port: number): Promise<Connection> {
  if (port === ECHO_PORT) return Promise.resolve(new TransformStream<Uint8Array, Uint8Array>());
  return Promise.reject(new FksError("Unavailable", `connection to port ${port} refused`));
}

function userOf({ security, groups }: ContainerSpec): StartedUser {
  const { runAsUser = 0, runAsGroup = 0, supplementalGroups = [] } = security ?? {};
  const all = new Set([runAsGroup, ...supplementalGroups, ...groups]);
  return { uid: runAsUser, gid: runAsGroup, groups: [...all] };
}

function foundOf({ id, startedAtMs, exit }: Running): FoundContainer {
  return exit === undefined
    ? { id, state: "running", startedAtMs }
    : { id, state: "ended", startedAtMs, exit };
}

function linesOf(log: string, { tailLines }: LogOptions): string {
  if (tailLines === undefined || log === "") return log;
  const lines = log.slice(0, -1).split("\n");
  const kept = tailLines === 0 ? [] : lines.slice(-tailLines);
  return kept.map((line) => `${line}\n`).join("");
}
