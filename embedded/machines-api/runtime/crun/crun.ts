import { existsSync, mkdirSync } from "node:fs";
import { constants } from "node:os";
import { FksError } from "#core/errors.ts";
import type { NetworkPlan } from "#core/fly/network.ts";
import { type Clock, sleep } from "#core/ports/clock.ts";
import type { Log } from "#core/ports/log.ts";
import { machineNetnsFor } from "../../network/commands.ts";
import { machineNetwork } from "../../network/machine-network.ts";
import type { ContainerId, FoundContainer, MachineStats, Runtime } from "../runtime.ts";
import { attachTo } from "./attach.ts";
import {
  type AttemptState,
  isAlive,
  isOnlyCreated,
  processesOf,
  readAttempt,
} from "./attempt-state.ts";
import { type Attempts, containerAttempts } from "./attempts.ts";
import { type Cgroups, hostCgroups } from "./cgroups.ts";
import { connectInside, dialInside } from "./connect.ts";
import { execInContainer } from "./exec.ts";
import type { ExecTarget } from "./exec-target.ts";
import { type Exits, watchExits } from "./exits.ts";
import { folderMeasure, type Measure } from "./folder-usage.ts";
import { type AttemptFolder, type Folders, foldersFor, ociIdFor } from "./folders.ts";
import {
  findPrograms,
  harmlessDevices,
  hostCgroupLayout,
  openFilesMax,
  ownCapabilities,
  ownOomScoreAdj,
} from "./host.ts";
import { logKeeper } from "./kept-logs.ts";
import { logStream } from "./logs.ts";
import { logUsage, networkUsage, volumeUsage } from "./machine-usage.ts";
import { preparedMachines } from "./machines.ts";
import { pauseProcesses } from "./pause.ts";
import { awaitsSignal, signalProcess } from "./processes.ts";
import { ensureRunDir } from "./run-dir.ts";
import { terminationMessageIn } from "./termination.ts";
import { turns } from "./turns.ts";
import { ensureVolume, writeFilesVolume } from "./volumes.ts";

/** How long a container's init may take to be ready for signals. */
const INIT_TRIES = 100;
const INIT_PAUSE_MS = 5;

interface CrunOptions {
  readonly plan: NetworkPlan;
  /** One folder for each Machine. */
  readonly machinesDir: string;
  /** Seccomp profiles that containers name; absent: there are none. */
  readonly profilesDir?: string;
  readonly clock: Clock;
  readonly log: Log;
  /** An OCI runtime to use in place of the one this host suits best: a name or a path. */
  readonly ociRuntime?: string;
}

/**
 * Real processes: an OCI runtime under conmon, an overlay and namespaces for each container. The
 * router's namespace must be there (`hostNetwork`). Containers outlive this process; `signal` ends
 * only the watching. Throws FksError `Unsupported` when a program is missing on this host.
 */
export function crunRuntime(options: CrunOptions, signal: AbortSignal): Runtime {
  const { plan, machinesDir, clock, log } = options;
  const layout = hostCgroupLayout();
  const programs = findPrograms(layout, options.ociRuntime);
  ensureRunDir(plan);
  mkdirSync(machinesDir, { recursive: true, mode: 0o700 });

  const folders = foldersFor(plan, machinesDir);
  const cgroups = hostCgroups(plan, layout, clock);
  const network = machineNetwork(plan);
  const runtime = { path: programs.ociRuntime, args: ["--root", folders.ociRoot] };
  const hasOomKill = (id: ContainerId): boolean => cgroups.hasOomKill(cgroups.containerPath(id));
  const killRest = (id: ContainerId): void => cgroups.kill(cgroups.containerPath(id));
  const exits = watchExits({ folders, clock, log, hasOomKill, killRest }, signal);
  const facts = {
    openFilesMax: openFilesMax(),
    oomScoreAdj: ownOomScoreAdj(),
    capabilities: ownCapabilities(),
    architecture: process.arch,
    devices: harmlessDevices(),
  };
  const { conmon, init } = programs;
  const attempts = containerAttempts({
    folders,
    cgroups,
    exits,
    clock,
    runtime,
    facts,
    conmon,
    profiles: options.profilesDir ?? "",
  });
  // The containers of a Machine start together and may mount the same volume.
  const inTurn = turns();
  const pauses = pauseProcesses({ folders, cgroups, runtime, init });
  const keptLogs = logKeeper(`${machinesDir}/.logs`, clock);
  const standing = { machinesDir, folders, cgroups, network, attempts, pauses };
  const machines = preparedMachines({ ...standing, logs: keptLogs });
  const execTargetOf = execTargets(plan, folders, [runtime.path, ...runtime.args, "exec"], clock);

  const measure = folderMeasure(clock, signal);

  return {
    kind: "crun",
    keptLogs,
    prepare: async (machine, aborted) => machines.prepare(machine, aborted),
    remove: async (machineId, aborted) => machines.remove(machineId, aborted),
    release: async (id, aborted) => attempts.release(id, aborted),
    onExit: (listener) => exits.onExit(listener),

    async start(container, aborted) {
      const machine = machines.of(container);
      const { machineId, fsGroup, memoryBytes } = machine;
      const rules = { fsGroup, memoryBytes };
      const { hosts, resolvConf, hostname, shm, ...folder } = folders.machine(machineId);
      const volumes: Record<string, string> = {};
      for (const { volume } of container.mounts) {
        const make = async (): Promise<string> => ensureVolume(folder, volume, rules, clock.now());
        volumes[volume.name] = await inTurn(`${machineId}/${volume.name}`, make);
      }
      const own = network.namespaces(machineId);
      const ensurePause = async (): Promise<string> => pauses.ensure(machineId, own, aborted);
      const processes = container.sharesProcesses
        ? await inTurn(`${machineId}/`, ensurePause)
        : container.target && processesOf(folders.attempt(container.target));
      const namespaces = processes === undefined ? own : { ...own, pid: processes };
      const paths = { init, hosts, resolvConf, hostname, shm, volumes, namespaces };
      return attempts.start({ container, machine, paths }, aborted);
    },

    async signal(id, signalName, aborted) {
      const number = signalNumber(signalName);
      const state = readAttempt(folders.attempt(id));
      if (state !== undefined) await signalInit(state, number, clock, aborted);
    },

    async list() {
      return machines
        .ids()
        .flatMap((machineId) => attempts.of(machineId))
        .flatMap((id) => foundContainer(id, folders, exits));
    },

    async exec(id, request, aborted) {
      return execInContainer(execTargetOf(id), request, aborted);
    },

    async logs(id, logOptions, aborted) {
      const folder = folders.attempt(id);
      const hasEnded = (): boolean => {
        const state = readAttempt(folder);
        return existsSync(folder.exit) || state === undefined || !isAlive(state);
      };
      return logStream({ folder, hasEnded, clock }, logOptions, aborted);
    },

    connect: async (machineId, port, aborted) =>
      connectInside(machineNetnsFor(plan, machineId), port, aborted),

    async writeVolume(machineId, volume) {
      const write = async (): Promise<void> =>
        writeFilesVolume(folders.machine(machineId), volume, clock.now());
      await inTurn(`${machineId}/${volume.name}`, write);
    },

    dial: async (machineId, target, aborted) =>
      dialInside(machineNetnsFor(plan, machineId), target, aborted),

    async attach(id, request, aborted) {
      livingAttempt(folders.attempt(id), id);
      await attachTo(folders.attempt(id), request, aborted);
      const { exitCode, signal: number } = await exits.ended(id, aborted);
      return number === undefined ? { exitCode } : { exitCode, signal: number };
    },

    terminationMessage: async (id) => terminationMessageIn(folders.attempt(id)),

    async resize(id, limits) {
      livingAttempt(folders.attempt(id), id);
      await cgroups.limit(cgroups.containerPath(id), limits);
    },

    stats: async (machineId) => machineStats(machineId, { attempts, cgroups, folders, measure }),
  };
}

interface StatsSources {
  readonly attempts: Attempts;
  readonly cgroups: Cgroups;
  readonly folders: Folders;
  readonly measure: Measure;
}

async function machineStats(
  machineId: string,
  { attempts, cgroups, folders, measure }: StatsSources,
): Promise<MachineStats> {
  const ids = attempts.of(machineId);
  const running = ids.flatMap((id) => {
    const folder = folders.attempt(id);
    const state = readAttempt(folder);
    return state !== undefined && isAlive(state) ? [{ id, folder, state }] : [];
  });
  const containers = running.map(async ({ id, folder, state: { startedAtMs } }) => {
    const usage = cgroups.usage(cgroups.containerPath(id));
    if (usage === undefined) return [];
    const own = ids.filter(({ name }) => name === id.name).map((one) => folders.attempt(one));
    const [root, logs] = await Promise.all([measure(folder.upper), logUsage(own)]);
    return [
      {
        name: id.name,
        startedAtMs,
        ...usage,
        ...(root === undefined ? {} : { rootBytes: root.bytes, rootInodes: root.inodes }),
        logBytes: logs.bytes,
        logInodes: logs.inodes,
      },
    ];
  });
  const [first] = running;
  return {
    containers: (await Promise.all(containers)).flat(),
    volumes: await volumeUsage(folders.machine(machineId), measure),
    network: first === undefined ? undefined : networkUsage(first.state.pid),
  };
}

/** One that was never told to start is not told of: a start of the same attempt clears it away. */
function foundContainer(
  id: ContainerId,
  folders: Folders,
  exits: Exits,
): readonly FoundContainer[] {
  const state = readAttempt(folders.attempt(id));
  if (state === undefined || (!exits.isTracked(id) && isOnlyCreated(state))) return [];
  const { startedAtMs } = state;
  const exit = exits.exitOf(id);
  if (exit !== undefined) return [{ id, state: "ended", startedAtMs, exit }];
  if (!isAlive(state)) return [{ id, state: "ended", startedAtMs }];
  exits.track(id, state);
  return [{ id, state: "running", startedAtMs }];
}

/** Where an exec goes, with file names of its own; throws when the container does not run. */
function execTargets(
  plan: NetworkPlan,
  folders: Folders,
  argv: readonly string[],
  clock: Clock,
): (id: ContainerId) => ExecTarget {
  let count = 0;
  return (id) => {
    const folder = folders.attempt(id);
    livingAttempt(folder, id);
    count += 1;
    const own = `${plan.runDir}/exec/${process.pid}-${count}`;
    return {
      argv,
      clock,
      ociId: ociIdFor(id),
      config: folder.config,
      processFile: `${own}.json`,
      pidFile: `${own}.pid`,
    };
  };
}

/** Throws when the container does not run. */
function livingAttempt(folder: AttemptFolder, { name }: ContainerId): AttemptState {
  const state = readAttempt(folder);
  if (state === undefined) throw new FksError("NotFound", `container ${name} is not here`);
  if (!isAlive(state)) throw new FksError("Conflict", `container ${name} has ended`);
  return state;
}

/** A signal that comes before init is ready for it would be lost: wait that moment. */
async function signalInit(
  state: AttemptState,
  number: number,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const isForced = number === constants.signals.SIGKILL || number === constants.signals.SIGSTOP;
  for (let tries = 0; tries < INIT_TRIES && isAlive(state); tries += 1) {
    if (isForced || (!isOnlyCreated(state) && awaitsSignal(state, number))) break;
    await sleep(clock, INIT_PAUSE_MS, signal);
  }
  if (isAlive(state)) signalProcess(state, number);
}

/** Of `TERM` or `SIGTERM`. */
function signalNumber(name: string): number {
  const wanted = name.startsWith("SIG") ? name : `SIG${name}`;
  const known = Object.entries(constants.signals).find(([other]) => other === wanted);
  if (known === undefined) throw new FksError("InvalidInput", `there is no signal ${name}`);
  return known[1];
}
