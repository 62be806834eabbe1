import { existsSync, readdirSync, readFileSync, rmdirSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { FksError } from "#core/errors.ts";
import type { NetworkPlan } from "#core/fly/network.ts";
import { type Clock, sleep } from "#core/ports/clock.ts";
import type { ContainerId, ContainerLimits } from "../runtime.ts";
import type { CgroupHierarchy, CgroupLayout } from "./cgroup-layout.ts";
import { changeLimits } from "./group-limits.ts";
import { type GroupUsage, usageOf } from "./group-usage.ts";
import { cpuFor } from "./oci-config.ts";

/** Controllers that Machines are limited by; version 2 hands them down level by level. */
const CONTROLLERS = ["cpu", "memory", "pids"];

/** A killed process leaves its group a moment later. */
const REMOVE_TRIES = 50;
const REMOVE_PAUSE_MS = 10;

/** Processes of ours, and whatever shares our group, go here in a version 2 container. */
const LEAF = "fks-host";

const CONMON = "conmon";

export interface MachineLimits {
  readonly cpuMillis: number;
  readonly memoryBytes: number;
}

/** The instance's groups in every hierarchy: one for each Machine, in it one for each container. */
export interface Cgroups {
  /** Makes the Machine's group and its limits; both may exist. */
  prepare(machineId: string, limits: MachineLimits): Promise<void>;
  /** Takes conmon out of our own group, so that who stops us as a group does not stop it. */
  adoptConmon(pid: number): Promise<void>;
  /** From the root of each hierarchy, as the OCI configuration wants it. */
  containerPath(id: ContainerId): string;
  /** The group of the process that holds a Machine's shared namespace. */
  pausePath(machineId: string): string;
  /** Kills what is left in this group and stays. */
  kill(path: string): void;
  /** Kills what is in the groups below `path` and removes them; absent is a success. */
  remove(path: string, signal: AbortSignal): Promise<void>;
  removeMachine(machineId: string, signal: AbortSignal): Promise<void>;
  /** Removes the instance's own groups where nothing is in them; call it when no Machine is left. */
  tidy(): void;
  /** Whether the kernel killed a process of this group for memory. */
  hasOomKill(path: string): boolean;
  usage(path: string): GroupUsage | undefined;
  /** New limits for a group that is in use; see `changeLimits`. */
  limit(path: string, limits: ContainerLimits): Promise<void>;
  /** Whether swap is counted; asked for after a Machine was prepared. */
  countsSwap(): boolean;
}

export function hostCgroups(plan: NetworkPlan, layout: CgroupLayout, clock: Clock): Cgroups {
  const { hierarchies } = layout;
  const top = `/${plan.cgroup}`;
  const memory = hierarchyWith("memory");
  const cpu = hierarchyWith("cpu");
  const isUnified = layout.mode === "v2";

  /** Version 1 by name; version 2 has them all. */
  function hierarchyWith(controller: string): CgroupHierarchy | undefined {
    return hierarchies.find(({ version, controllers }) =>
      layout.mode === "v2" ? version === 2 : controllers.includes(controller),
    );
  }

  async function remove(path: string, signal: AbortSignal): Promise<void> {
    for (let tries = 0; tries < REMOVE_TRIES; tries += 1) {
      const left = hierarchies.filter((hierarchy) => !removeGroup(`${hierarchy.path}${path}`));
      if (left.length === 0) return;
      for (const hierarchy of left) killAll(`${hierarchy.path}${path}`);
      await sleep(clock, REMOVE_PAUSE_MS, signal);
    }
  }

  return {
    countsSwap: () =>
      existsSync(
        isUnified
          ? `${memory?.path}${top}/memory.swap.max`
          : `${memory?.path}/memory.memsw.limit_in_bytes`,
      ),

    async prepare(machineId, limits) {
      const path = `${top}/${machineId}`;
      try {
        await (isUnified ? prepareUnified(memory?.path ?? "", path, limits) : split(path, limits));
      } catch (error) {
        throw new FksError("Unavailable", `cannot make cgroups on this host: ${String(error)}`, {
          cause: error,
        });
      }
    },

    async adoptConmon(pid) {
      const path = `${top}/${CONMON}`;
      const movable = hierarchies.filter(({ controllers }) => !controllers.includes("cpuset"));
      await Promise.all(
        movable.map(async (hierarchy) => {
          await mkdir(`${hierarchy.path}${path}`, { recursive: true });
          await put(`${hierarchy.path}${path}/cgroup.procs`, String(pid));
        }),
      );
    },

    containerPath: ({ machineId, name, attempt }) => `${top}/${machineId}/${name}.${attempt}`,
    pausePath: (machineId) => `${top}/${machineId}/pause`,
    remove,

    kill(path) {
      const folder = folderOf(memory ?? hierarchies[0], path);
      if (folder !== undefined) killAll(folder);
    },

    removeMachine: async (machineId, signal) => remove(`${top}/${machineId}`, signal),

    tidy() {
      for (const { path } of hierarchies) removeGroup(`${path}${top}`);
    },

    hasOomKill(path) {
      const file = isUnified ? "memory.events" : "memory.oom_control";
      return Number(/^oom_kill (\d+)/m.exec(textOf(`${memory?.path}${path}/${file}`))?.[1]) > 0;
    },

    usage: (path) =>
      usageOf(
        {
          memory: folderOf(memory, path),
          cpu: folderOf(cpu, path),
          accounting: folderOf(hierarchyWith("cpuacct"), path),
          pids: folderOf(hierarchyWith("pids"), path),
        },
        isUnified,
      ),

    limit: async (path, limits) =>
      changeLimits({ memory: folderOf(memory, path), cpu: folderOf(cpu, path) }, limits, isUnified),
  };

  /** All hierarchies, while the network is being made: the first container finds its parents. */
  async function split(path: string, limits: MachineLimits): Promise<void> {
    await Promise.all(
      hierarchies.map(async (hierarchy) => mkdir(`${hierarchy.path}${path}`, { recursive: true })),
    );
    if (memory !== undefined) await limitMemory(`${memory.path}${path}`, limits.memoryBytes);
    if (cpu !== undefined) await limitCpu(`${cpu.path}${path}`, limits.cpuMillis);
  }
}

function folderOf(hierarchy: CgroupHierarchy | undefined, path: string): string | undefined {
  return hierarchy === undefined ? undefined : `${hierarchy.path}${path}`;
}

/** Every level hands its controllers down before a group below may be limited. */
async function prepareUnified(root: string, path: string, limits: MachineLimits): Promise<void> {
  await handDown(root);
  const folders = path.split("/").slice(1);
  let folder = root;
  for (const name of folders) {
    folder = `${folder}/${name}`;
    await mkdir(folder, { recursive: true });
    await handDown(folder);
  }
  if (limits.memoryBytes > 0) {
    await put(`${folder}/memory.max`, String(limits.memoryBytes));
    await put(`${folder}/memory.swap.max`, "0");
  }
  if (limits.cpuMillis > 0) {
    const { quota, period } = cpuFor(limits.cpuMillis);
    await put(`${folder}/cpu.max`, `${quota} ${period}`);
  }
}

/**
 * A group with processes in it may hand nothing down. The host's own root may (it has no type); that
 * of a container holds at least ourselves, who move to a leaf then.
 */
async function handDown(folder: string): Promise<void> {
  const available = textOf(`${folder}/cgroup.controllers`).trim().split(" ");
  const wanted = CONTROLLERS.filter((name) => available.includes(name))
    .map((name) => `+${name}`)
    .join(" ");
  const isDone = await put(`${folder}/cgroup.subtree_control`, wanted);
  if (isDone || !existsSync(`${folder}/cgroup.type`)) return;
  const leaf = `${folder}/${LEAF}`;
  await mkdir(leaf, { recursive: true });
  for (const pid of processesOf(folder)) await put(`${leaf}/cgroup.procs`, pid);
  await put(`${folder}/cgroup.subtree_control`, wanted);
}

/** Swap counts in the second limit, and the second may never be below the first. */
async function limitMemory(folder: string, bytes: number): Promise<void> {
  await mkdir(folder, { recursive: true });
  if (bytes <= 0) return;
  const isSet = await put(`${folder}/memory.limit_in_bytes`, String(bytes));
  await put(`${folder}/memory.memsw.limit_in_bytes`, String(bytes));
  if (!isSet) await put(`${folder}/memory.limit_in_bytes`, String(bytes));
}

async function limitCpu(folder: string, millis: number): Promise<void> {
  await mkdir(folder, { recursive: true });
  if (millis <= 0) return;
  const { quota, period, shares } = cpuFor(millis);
  await put(`${folder}/cpu.cfs_period_us`, String(period));
  await put(`${folder}/cpu.cfs_quota_us`, String(quota));
  await put(`${folder}/cpu.shares`, String(shares));
}

/** Whether the kernel took the value; a host without the controller is a host without the limit. */
async function put(file: string, value: string): Promise<boolean> {
  try {
    await writeFile(file, value);
    return true;
  } catch {
    return false;
  }
}

/** Removes a group and those below it; false while something is in one of them. */
function removeGroup(folder: string): boolean {
  if (!existsSync(folder)) return true;
  try {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (entry.isDirectory() && !removeGroup(`${folder}/${entry.name}`)) return false;
    }
    rmdirSync(folder);
    return true;
  } catch {
    return !existsSync(folder);
  }
}

function killAll(folder: string): void {
  for (const pid of processesOf(folder)) {
    try {
      process.kill(Number(pid), "SIGKILL");
    } catch {
      // It ended by itself.
    }
  }
  for (const child of childrenOf(folder)) killAll(`${folder}/${child}`);
}

function childrenOf(folder: string): readonly string[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name);
  } catch {
    return [];
  }
}

function processesOf(folder: string): readonly string[] {
  return textOf(`${folder}/cgroup.procs`)
    .split("\n")
    .filter((pid) => pid !== "");
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
