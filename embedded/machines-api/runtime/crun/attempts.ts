import { existsSync, readdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { FksError } from "#core/errors.ts";
import { type Clock, sleep } from "#core/ports/clock.ts";
import { runProgram, tryProgram } from "../../network/run-program.ts";
import type { ContainerId, ContainerSpec, StartedContainer, StartedUser } from "../runtime.ts";
import { isAlive, readAttempt, saveAttempt } from "./attempt-state.ts";
import { makeBundle, type SharedPaths } from "./bundle.ts";
import type { Cgroups } from "./cgroups.ts";
import { createContainer, type OciRuntime } from "./conmon.ts";
import type { Exits } from "./exits.ts";
import { type AttemptFolder, type Folders, ociIdFor } from "./folders.ts";
import { unmount } from "./libc.ts";
import type { HostFacts, OciMachine } from "./oci-config.ts";
import { commandLineOf, pidIn, processAt, signalProcess } from "./processes.ts";
import { removeMountSources } from "./sub-paths.ts";

/** How long conmon may take to write down an exit before it is killed. */
const CONMON_TRIES = 100;
const CONMON_PAUSE_MS = 5;

const CLEAN_UP_TIMEOUT_MS = 10_000;

interface AttemptsOptions {
  readonly folders: Folders;
  readonly cgroups: Cgroups;
  readonly exits: Exits;
  readonly clock: Clock;
  readonly conmon: string;
  readonly runtime: OciRuntime;
  readonly facts: Omit<HostFacts, "countsSwap">;
  /** Where the host keeps seccomp profiles. */
  readonly profiles: string;
}

interface StartRequest {
  readonly container: ContainerSpec;
  readonly machine: OciMachine;
  readonly paths: SharedPaths;
}

/** Containers, one folder for each start. */
export interface Attempts {
  start(request: StartRequest, signal: AbortSignal): Promise<StartedContainer>;
  /** Ends it if it runs and frees all but its logs and its exit. Idempotent, also half-made. */
  release(id: ContainerId, signal: AbortSignal): Promise<void>;
  /** Every attempt of a Machine that there is a folder of. */
  of(machineId: string): readonly ContainerId[];
}

export function containerAttempts(options: AttemptsOptions): Attempts {
  const { folders, clock } = options;
  const of = (machineId: string): readonly ContainerId[] => attemptsIn(folders, machineId);

  async function erase(id: ContainerId, signal: AbortSignal): Promise<void> {
    const folder = folders.attempt(id);
    await release(options, id, signal);
    await rm(folder.exit, { force: true });
    await rm(folder.path, { recursive: true, force: true });
  }

  /** Never two at once; logs are kept of this start and the one before. */
  async function makeRoom(id: ContainerId, signal: AbortSignal): Promise<void> {
    for (const other of of(id.machineId)) {
      if (other.name !== id.name) continue;
      if (other.attempt === id.attempt - 1) await release(options, other, signal);
      else await erase(other, signal);
    }
  }

  return {
    of,
    release: async (id, signal) => release(options, id, signal),

    async start({ container, machine, paths }, signal) {
      const { id } = container;
      if (!/^\w[\w.-]*$/.test(id.name)) {
        const name = JSON.stringify(id.name);
        throw new FksError("InvalidInput", `a container cannot be called ${name}`);
      }
      await makeRoom(id, signal);
      try {
        const cgroup = options.cgroups.containerPath(id);
        const facts = { ...options.facts, countsSwap: options.cgroups.countsSwap() };
        const user = await makeBundle(folders.attempt(id), {
          container,
          machine,
          paths,
          cgroup,
          facts,
          profiles: options.profiles,
        });
        return await launch(options, container, user, signal);
      } catch (error) {
        // Not with `signal`: what was begun must go, also when nobody waits any more.
        await erase(id, clock.timeout(CLEAN_UP_TIMEOUT_MS)).catch(() => {});
        throw error;
      }
    },
  };
}

/** Create, write down who it is, start: a crash in between leaves something that can be told. */
async function launch(
  { folders, cgroups, exits, clock, runtime, conmon }: AttemptsOptions,
  { id, tty, stdin, stdinOnce }: ContainerSpec,
  user: StartedUser,
  signal: AbortSignal,
): Promise<StartedContainer> {
  const folder = folders.attempt(id);
  const ociId = ociIdFor(id);
  const request = {
    conmon,
    runtime,
    id: ociId,
    folder,
    exits: folders.exits,
    tty,
    stdin,
    stdinOnce,
  };
  const pid = await createContainer(request, clock, signal);
  const process = processAt(pid);
  if (process === undefined) throw new FksError("Unavailable", `container ${id.name} vanished`);

  const startedAtMs = clock.now();
  await saveAttempt(folder, process, startedAtMs);
  const conmonPid = pidIn(folder.conmonPid);
  await Promise.all([
    runProgram([runtime.path, ...runtime.args, "start", ociId], signal),
    conmonPid === undefined ? undefined : cgroups.adoptConmon(conmonPid),
  ]);
  exits.track(id, process);
  return { pid, startedAtMs, user };
}

async function release(
  { folders, cgroups, exits, clock, runtime }: AttemptsOptions,
  id: ContainerId,
  signal: AbortSignal,
): Promise<void> {
  const folder = folders.attempt(id);
  const ociId = ociIdFor(id);
  const ociState = `${folders.ociRoot}/${ociId}`;
  exits.forget(id);
  const state = readAttempt(folder);
  if (state !== undefined && isAlive(state)) signalProcess(state, "SIGKILL");
  if (existsSync(ociState)) {
    await tryProgram([runtime.path, ...runtime.args, "delete", "--force", ociId], signal);
  }
  await conmonGone(folder, ociId, clock, signal);
  await cgroups.remove(cgroups.containerPath(id), signal);
  unmount(folder.root);
  removeMountSources(folder.mounts);
  const leftovers = [folder.root, folder.upper, folder.work, folder.bundle, ociState];
  await Promise.all(leftovers.map((path) => rm(path, { recursive: true, force: true })));
}

/** conmon ends by itself once its container did; nothing of it may be written afterwards. */
async function conmonGone(
  folder: AttemptFolder,
  ociId: string,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const pid = pidIn(folder.conmonPid);
  const conmon = pid === undefined ? undefined : processAt(pid);
  if (conmon === undefined || !commandLineOf(conmon.pid).includes(ociId)) return;
  for (let tries = 0; tries < CONMON_TRIES; tries += 1) {
    if (processAt(conmon.pid)?.startTicks !== conmon.startTicks) return;
    await sleep(clock, CONMON_PAUSE_MS, signal);
  }
  signalProcess(conmon, "SIGKILL");
}

function attemptsIn(folders: Folders, machineId: string): readonly ContainerId[] {
  const { containers } = folders.machine(machineId);
  return foldersIn(containers).flatMap((name) =>
    foldersIn(`${containers}/${name}`)
      .filter((attempt) => /^\d+$/.test(attempt))
      .map((attempt) => ({ machineId, name, attempt: Number(attempt) })),
  );
}

function foldersIn(path: string): readonly string[] {
  if (!existsSync(path)) return [];
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);
}
