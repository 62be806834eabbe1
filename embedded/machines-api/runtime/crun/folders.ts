/** Where everything of a Machine lies on this host. Pure. */
import type { NetworkPlan } from "#core/fly/network.ts";
import type { ContainerId } from "../runtime.ts";

export interface Folders {
  /** conmon writes one file here for every container that ends. */
  readonly exits: string;
  /** State of the OCI runtime, on the tmpfs. */
  readonly ociRoot: string;
  machine(machineId: string): MachineFolder;
  attempt(id: ContainerId): AttemptFolder;
}

export interface MachineFolder {
  readonly path: string;
  readonly hosts: string;
  readonly resolvConf: string;
  readonly hostname: string;
  readonly containers: string;
  /** Volumes on disk. */
  readonly disks: string;
  /** On the tmpfs: gone after a reboot of the host. */
  readonly run: string;
  readonly shm: string;
  readonly memories: string;
  readonly files: string;
  /** Of the process that holds the shared namespace. */
  readonly pause: string;
}

/** One start of a container. */
export interface AttemptFolder {
  readonly path: string;
  /** The OCI bundle, on the tmpfs: `config.json` holds the environment, and with it secrets. */
  readonly bundle: string;
  readonly config: string;
  readonly state: string;
  readonly pid: string;
  readonly conmonPid: string;
  readonly persist: string;
  readonly oom: string;
  /** What the container says of its own end; outlives its root. */
  readonly termination: string;
  /** Parts of volumes are mounted here. */
  readonly mounts: string;
  readonly log: string;
  readonly rotatedLog: string;
  /** conmon's FIFO. */
  readonly control: string;
  /** conmon's socket: the streams of the container's first process. */
  readonly attach: string;
  readonly exit: string;
  readonly upper: string;
  readonly work: string;
  readonly root: string;
}

export function foldersFor(plan: NetworkPlan, machinesDir: string): Folders {
  const exits = `${machinesDir}/.exits`;
  return {
    exits,
    ociRoot: `${plan.runDir}/oci`,

    machine(machineId) {
      const path = `${machinesDir}/${machineId}`;
      const run = `${plan.runDir}/m/${machineId}`;
      return {
        path,
        hosts: `${path}/etc/hosts`,
        resolvConf: `${path}/etc/resolv.conf`,
        hostname: `${path}/etc/hostname`,
        containers: `${path}/containers`,
        disks: `${path}/volumes`,
        run,
        shm: `${run}/shm`,
        memories: `${run}/memory`,
        files: `${run}/files`,
        pause: `${run}/pause`,
      };
    },

    attempt(id) {
      const path = `${machinesDir}/${id.machineId}/containers/${id.name}/${id.attempt}`;
      const bundle = `${plan.runDir}/m/${id.machineId}/bundles/${id.name}.${id.attempt}`;
      return {
        path,
        bundle,
        config: `${bundle}/config.json`,
        state: `${path}/state.json`,
        pid: `${path}/pid`,
        conmonPid: `${path}/conmon.pid`,
        persist: `${path}/persist`,
        oom: `${path}/persist/oom`,
        termination: `${path}/termination`,
        mounts: `${path}/mounts`,
        log: `${path}/log`,
        rotatedLog: `${path}/log.1`,
        control: `${bundle}/ctl`,
        attach: `${bundle}/attach`,
        exit: `${exits}/${ociIdFor(id)}`,
        upper: `${path}/upper`,
        work: `${path}/work`,
        root: `${path}/root`,
      };
    },
  };
}

/** The container's name for conmon and the OCI runtime. */
export function ociIdFor({ machineId, name, attempt }: ContainerId): string {
  return `${machineId}.${name}.${attempt}`;
}
