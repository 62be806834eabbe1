import { readdirSync, readFileSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { FksError } from "#core/errors.ts";
import type { MachineNetwork } from "../../network/machine-network.ts";
import type { ContainerSpec, MachineSpec } from "../runtime.ts";
import type { Attempts } from "./attempts.ts";
import type { Cgroups } from "./cgroups.ts";
import { hostsFileFor, resolvConfFor } from "./etc-files.ts";
import type { Folders } from "./folders.ts";
import type { LogKeeper } from "./kept-logs.ts";
import { unmount } from "./libc.ts";
import type { Pauses } from "./pause.ts";
import { ensureTmpfs } from "./volumes.ts";

const SHM_BYTES = 64 * 1024 * 1024;
const SHM_MODE = 0o1777;

interface MachinesOptions {
  readonly machinesDir: string;
  readonly folders: Folders;
  readonly cgroups: Cgroups;
  readonly network: MachineNetwork;
  readonly attempts: Attempts;
  readonly pauses: Pauses;
  readonly logs: LogKeeper;
}

/** What the containers of a Machine stand on. */
export interface Machines {
  prepare(machine: MachineSpec, signal: AbortSignal): Promise<void>;
  /** The prepared Machine of this container; throws `Unavailable` before. */
  of(container: ContainerSpec): MachineSpec;
  /** All but what its containers have written, which is kept elsewhere. */
  remove(machineId: string, signal: AbortSignal): Promise<void>;
  /** Every Machine there is a folder of. */
  ids(): readonly string[];
}

export function preparedMachines(options: MachinesOptions): Machines {
  const { folders, cgroups, network, attempts } = options;
  const prepared = new Map<string, MachineSpec>();

  const ids = (): readonly string[] =>
    readdirSync(options.machinesDir).filter((name) => !name.startsWith("."));

  async function removeFolders(machineId: string): Promise<void> {
    const { path, run } = folders.machine(machineId);
    for (const target of mountsBelow([path, run])) unmount(target);
    await Promise.all([path, run].map((folder) => rm(folder, { recursive: true, force: true })));
    const left = readdirSync(folders.exits).filter((name) => name.startsWith(`${machineId}.`));
    await Promise.all(left.map((name) => rm(`${folders.exits}/${name}`, { force: true })));
  }

  return {
    ids,

    async prepare(machine, signal) {
      const { machineId } = machine;
      const folder = folders.machine(machineId);
      prepared.set(machineId, machine);
      await mkdir(`${folder.path}/etc`, { recursive: true });
      await Promise.all([
        network.attach({ ...machine, ...machine.address }, signal),
        cgroups.prepare(machineId, machine),
        // In place, not by rename: a running container has these very files mounted.
        writeFile(folder.hosts, hostsFileFor(machine)),
        writeFile(folder.resolvConf, resolvConfFor(machine)),
        writeFile(folder.hostname, `${machine.hostname}\n`),
      ]);
      ensureTmpfs(folder.shm, SHM_BYTES, SHM_MODE);
    },

    of({ id }) {
      const machine = prepared.get(id.machineId);
      if (machine === undefined) throw new FksError("Unavailable", "the Machine is not prepared");
      return machine;
    },

    async remove(machineId, signal) {
      // Whoever lists the folder also finds what is no Machine.
      if (!/^\w[\w-]*$/.test(machineId)) return;
      prepared.delete(machineId);
      const left = attempts.of(machineId);
      await Promise.all(left.map((id) => attempts.release(id, signal)));
      await options.logs.keep(
        machineId,
        left.map((id) => ({ id, folder: folders.attempt(id) })),
      );
      await options.pauses.remove(machineId, signal);
      await removeFolders(machineId);
      await Promise.all([
        network.detach(machineId, signal),
        cgroups.removeMachine(machineId, signal),
      ]);
      // A Machine that is being prepared is in the map before it has a group.
      if (prepared.size === 0 && ids().length === 0) cgroups.tidy();
    },
  };
}

/** Deepest first. */
function mountsBelow(folders: readonly string[]): readonly string[] {
  return readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .map((line) => (line.split(" ")[4] ?? "").replaceAll("\\040", " "))
    .filter((target) => folders.some((folder) => target.startsWith(`${folder}/`)))
    .toReversed();
}
