/**
 * What *running* means on this host. Two implementations: `crun` (real processes) and `none`
 * (states only). The Machines API decides order, restarts and back-off; a runtime only obeys.
 */
import type { ExitStatus, LogOptions } from "#core/fly/machine-protocol.ts";
import type { Connection, ExecRequest } from "#core/ports/machine-protocol.ts";
import type { ImageConfig } from "../images/images.ts";

export interface Runtime {
  readonly kind: "crun" | "none";

  /**
   * Makes the Machine's network and folders. A Machine that has them already is a success; its
   * `/etc/hosts` is written anew, because a bundle may bring more lines before the first start.
   */
  prepare(machine: MachineSpec, signal: AbortSignal): Promise<void>;

  /** Creates and starts one container of a prepared Machine. `InvalidInput` when it cannot run. */
  start(container: ContainerSpec, signal: AbortSignal): Promise<StartedContainer>;

  /** Sends a signal to the container's main process; one that ended already is a success. */
  signal(id: ContainerId, signalName: string, signal: AbortSignal): Promise<void>;

  /** Frees what one ended container held (its root file system, cgroup), its logs excepted. */
  release(id: ContainerId, signal: AbortSignal): Promise<void>;

  /** Removes all that is left of a Machine: processes, mounts, network, files. Idempotent. */
  remove(machineId: string, signal: AbortSignal): Promise<void>;

  /**
   * Called once before `list`, with what ran when the last process wrote it down: for a runtime
   * that has no processes to look at.
   */
  recall?(running: readonly FoundContainer[]): void;

  /** Containers that run or ended on this host, as a new process finds them. */
  list(signal: AbortSignal): Promise<readonly FoundContainer[]>;

  /** Calls `listener` once for every container that ends, also for adopted ones. */
  onExit(listener: (exit: ContainerExit) => void): void;

  exec(id: ContainerId, request: ExecRequest, signal: AbortSignal): Promise<ExitStatus>;

  /** Bytes as `kubectl logs` prints them. */
  logs(id: LogId, options: LogOptions, signal: AbortSignal): Promise<ReadableStream<Uint8Array>>;

  /** A TCP connection to 127.0.0.1, then ::1, inside the Machine. `Unavailable` when refused. */
  connect(machineId: string, port: number, signal: AbortSignal): Promise<Connection>;

  /** Replaces the files of a volume atomically (`..data` swap). */
  writeVolume(machineId: string, volume: VolumeSpec, signal: AbortSignal): Promise<void>;

  stats(machineId: string, signal: AbortSignal): Promise<readonly ContainerStats[]>;
}

export interface ContainerId {
  readonly machineId: string;
  readonly name: string;
  /** Counts a container's starts from 0; each start has its own processes and logs. */
  readonly attempt: number;
}

/** `previous` logs are the attempt before. */
export type LogId = ContainerId;

export interface MachineSpec {
  readonly machineId: string;
  readonly app: string;
  readonly hostname: string;
  readonly address: MachineAddress;
  readonly hosts: readonly { readonly ip: string; readonly hostnames: readonly string[] }[];
  readonly dns: {
    readonly nameservers: readonly string[];
    readonly searches: readonly string[];
    readonly options: readonly string[];
  };
  /** Limits of the whole Machine. */
  readonly cpuMillis: number;
  readonly memoryBytes: number;
}

export interface MachineAddress {
  /** The routed 6PN address, without a prefix length. */
  readonly ipv6: string;
  /** The private IPv4 beside it. */
  readonly ipv4: string;
}

export interface ContainerSpec {
  readonly id: ContainerId;
  readonly image: ImageConfig;
  /** The flattened image on this host, read-only. */
  readonly imageRoot: string;
  /** Complete: entrypoint and arguments. */
  readonly args: readonly string[];
  /** Complete, in order, `NAME=value`. */
  readonly env: readonly string[];
  readonly cwd: string;
  /** `""`: the image's user; else `name`, `uid`, `name:group`, `uid:gid`. */
  readonly user: string;
  readonly tty: boolean;
  readonly cpuMillis: number | undefined;
  readonly memoryBytes: number | undefined;
  readonly mounts: readonly MountSpec[];
  readonly files: readonly FileSpec[];
}

export interface MountSpec {
  readonly volume: VolumeSpec;
  readonly path: string;
  readonly readOnly: boolean;
}

/** `disk` and `memory` start empty and live as long as the Machine; `files` shows given files. */
export interface VolumeSpec {
  readonly name: string;
  readonly kind: "disk" | "memory" | "files";
  readonly sizeMb: number | undefined;
  readonly files: readonly {
    readonly path: string;
    readonly mode: number;
    readonly content: Uint8Array;
  }[];
}

export interface FileSpec {
  /** Absolute, inside the container. */
  readonly path: string;
  readonly mode: number;
  readonly content: Uint8Array;
}

export interface StartedContainer {
  /** 0 with the runtime `none`. */
  readonly pid: number;
  readonly startedAtMs: number;
}

export interface FoundContainer {
  readonly id: ContainerId;
  readonly state: "running" | "ended";
  readonly startedAtMs: number;
  /** Present when it ended and its exit is known. */
  readonly exit?: ContainerExit;
}

export interface ContainerExit {
  readonly id: ContainerId;
  readonly exitCode: number;
  /** Present when a signal ended it. */
  readonly signal?: number;
  readonly oomKilled: boolean;
  readonly atMs: number;
}

export interface ContainerStats {
  readonly name: string;
  readonly cpuNanoseconds: number;
  readonly memoryBytes: number;
}
