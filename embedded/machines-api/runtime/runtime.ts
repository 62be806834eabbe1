/**
 * What *running* means on this host. Two implementations: `crun` (real processes) and `none`
 * (states only). The Machines API decides order, restarts and back-off; a runtime only obeys.
 */
import type { ContainerSecurity, ExitStatus, LogOptions } from "#core/fly/machine-protocol.ts";
import type { KeptLogs } from "#core/ports/kept-logs.ts";
import type { AttachRequest, Connection, ExecRequest } from "#core/ports/machine-protocol.ts";
import type { ImageConfig } from "../images/images.ts";

export interface Runtime {
  readonly kind: "crun" | "none";

  /**
   * Makes the Machine's network and folders. A Machine that has them already is a success; its
   * `/etc/hosts` is written anew, because a bundle may bring more lines before the first start.
   */
  prepare(machine: MachineSpec, signal: AbortSignal): Promise<void>;

  /**
   * Creates and starts one container of a prepared Machine. `InvalidInput` when it cannot run; when
   * the reason is who it would run as or a path of a volume, in the kubelet's words.
   */
  start(container: ContainerSpec, signal: AbortSignal): Promise<StartedContainer>;

  /** Sends a signal to the container's main process; one that ended already is a success. */
  signal(id: ContainerId, signalName: string, signal: AbortSignal): Promise<void>;

  /** Frees what one ended container held (its root file system, cgroup), its logs excepted. */
  release(id: ContainerId, signal: AbortSignal): Promise<void>;

  /** Removes all that is left of a Machine but its logs: processes, mounts, files. Idempotent. */
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

  /**
   * The streams of the container's own first process, from now on; resolves when it has ended.
   * Several may be attached, and what it writes goes on into its log. Abort only detaches.
   * `Conflict` when it has ended already.
   */
  attach(id: ContainerId, request: AttachRequest, signal: AbortSignal): Promise<ExitStatus>;

  /** The text the container left in its termination file, at most 4096 bytes; "" without one. */
  terminationMessage(id: ContainerId, signal: AbortSignal): Promise<string>;

  /** New limits for a container that runs; `undefined` is the Machine's. */
  resize(id: ContainerId, limits: ContainerLimits, signal: AbortSignal): Promise<void>;

  /** Bytes as `kubectl logs` prints them. */
  logs(id: LogId, options: LogOptions, signal: AbortSignal): Promise<ReadableStream<Uint8Array>>;

  /** The logs of Machines that were removed. */
  readonly keptLogs: KeptLogs;

  /** A TCP connection to 127.0.0.1, then ::1, inside the Machine. `Unavailable` when refused. */
  connect(machineId: string, port: number, signal: AbortSignal): Promise<Connection>;

  /** A TCP connection from inside the Machine to a host there or elsewhere. As `connect` else. */
  dial(machineId: string, target: DialTarget, signal: AbortSignal): Promise<Connection>;

  /** Replaces the files of a volume atomically (`..data` swap). */
  writeVolume(machineId: string, volume: VolumeSpec, signal: AbortSignal): Promise<void>;

  /** What the Machine uses now; a container that does not run is not in it. */
  stats(machineId: string, signal: AbortSignal): Promise<MachineStats>;
}

export interface ContainerId {
  readonly machineId: string;
  readonly name: string;
  /** Counts a container's starts from 0; each start has its own processes and logs. */
  readonly attempt: number;
}

/** `previous` logs are the attempt before. */
export type LogId = ContainerId;

export interface ContainerLimits {
  readonly cpuMillis: number | undefined;
  readonly memoryBytes: number | undefined;
  /** Weight against the other containers; with it a container without a limit has no quota. */
  readonly cpuShares?: number | undefined;
}

export interface DialTarget {
  /** An address, or a name as this host resolves it. */
  readonly host: string;
  readonly port: number;
}

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
  /** Kernel parameters of the Machine's own namespaces. */
  readonly sysctls: Readonly<Record<string, string>>;
  /** All containers see each other's processes; none of them is the first. */
  readonly sharesProcesses: boolean;
  /** Group that owns the volumes. */
  readonly fsGroup: number | undefined;
}

export interface MachineAddress {
  /** The routed 6PN address, without a prefix length. */
  readonly ipv6: string;
  /** The private IPv4 beside it. */
  readonly ipv4: string;
}

export interface ContainerSpec {
  readonly id: ContainerId;
  /** A running container of the Machine whose processes this one sees. */
  readonly target?: ContainerId;
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
  /** Groups of every process besides its user's own. */
  readonly groups: readonly number[];
  readonly security: ContainerSecurity | undefined;
  /** As its Machine's. */
  readonly sharesProcesses: boolean;
  /** Its first process can be written to; else it finds its input at the end. */
  readonly stdin: boolean;
  /** Its input ends with the first `attach` that gave some. */
  readonly stdinOnce: boolean;
  readonly tty: boolean;
  readonly cpuMillis: number | undefined;
  readonly memoryBytes: number | undefined;
  readonly cpuShares?: number | undefined;
  /** Absent: as the host's ordinary processes; where this host forbids it, no safer than they are. */
  readonly oomScoreAdj?: number | undefined;
  readonly mounts: readonly MountSpec[];
  readonly files: readonly FileSpec[];
  /** Where the container finds its termination file; it has none without. */
  readonly terminationMessagePath: string | undefined;
}

export interface MountSpec {
  readonly volume: VolumeSpec;
  readonly path: string;
  /** A file or folder of the volume, made when it is not there (in an image never); never leads out. */
  readonly subPath?: string;
  readonly readOnly: boolean;
}

/**
 * `disk` and `memory` start empty and live as long as the Machine; `files` shows given files,
 * `image` those of an unpacked image, and nothing in it can be run; `persistent` was there before
 * the Machine and stays.
 */
export interface VolumeSpec {
  readonly name: string;
  readonly kind: "disk" | "memory" | "files" | "image" | "persistent";
  readonly sizeMb: number | undefined;
  /** Of an image: its flattened root on this host. */
  readonly imageRoot?: string;
  /** Of a persistent one: the folder that shows its data on this host. */
  readonly folder?: string;
  readonly files: readonly {
    readonly path: string;
    readonly mode: number;
    /** Absent: root's. */
    readonly uid?: number;
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
  readonly user: StartedUser;
}

/** Who the first process is; `groups` has its own group first. */
export interface StartedUser {
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
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

export interface MachineStats {
  readonly containers: readonly ContainerStats[];
  /** Volumes of the kinds `disk` and `memory`. */
  readonly volumes: readonly VolumeStats[];
  readonly network: NetworkStats | undefined;
}

export interface ContainerStats {
  readonly name: string;
  readonly startedAtMs: number;
  /** Since its start. */
  readonly cpuNanoseconds: number;
  /** The working set: without what the kernel could drop at once. */
  readonly memoryBytes: number;
  /** All of it, caches too. */
  readonly usageBytes: number;
  readonly rssBytes: number;
  readonly pageFaults: number;
  readonly majorPageFaults: number;
  readonly processes: number;
  /** What it wrote into its root file system; absent while that is being counted. */
  readonly rootBytes?: number;
  readonly rootInodes?: number;
  /** Its logs, those of earlier starts too. */
  readonly logBytes?: number;
  readonly logInodes?: number;
}

export interface VolumeStats {
  readonly name: string;
  readonly usedBytes: number;
  readonly usedInodes?: number;
  /** Absent: it is on disk, with as much as the host has. */
  readonly capacityBytes?: number;
}

/** Of the Machine's own interface. */
export interface NetworkStats {
  readonly receivedBytes: number;
  readonly sentBytes: number;
}
