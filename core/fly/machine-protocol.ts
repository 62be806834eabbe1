/**
 * The Machine protocol: what Kubernetes needs of a Machine and the public Machines API lacks.
 * The wire is specified in docs/machine-protocol.md; these are its JSON shapes.
 * Container states use Kubernetes' own words, because that is what the protocol exists for.
 */
import type { Machine, MachineId } from "./machine.ts";

/** Metadata key; with the value `bundle` no container starts before a bundle was delivered. */
export const AWAITS_KEY = "fks_awaits";
/**
 * Metadata keys; names of containers, separated by commas. Init containers end before others start;
 * sidecars start before others, are stopped last in reverse order, and keep no Machine alive. What
 * waits for what stands in `depends_on`.
 */
export const INIT_KEY = "fks_init";
export const SIDECARS_KEY = "fks_sidecars";

/** Where a Machine is found: its App's name and its id. */
export interface MachineRef {
  readonly app: string;
  readonly id: MachineId;
}

/**
 * All that must not, or cannot, stand in a Machine's config. It is never shown by any read.
 * Delivering again replaces volumes' files and the limits of what runs at once, and the rest from a
 * container's next start on.
 */
export interface Bundle {
  readonly containers: Readonly<Record<string, ContainerBundle>>;
  /** By volume name: the files a `mounts[]` entry of that name shows. */
  readonly volumes: Readonly<Record<string, readonly VolumeFile[]>>;
  /** By volume name: the image whose files a `mounts[]` entry of that name shows, read-only. */
  readonly images?: Readonly<Record<string, VolumeImage>>;
  /** Lines for `/etc/hosts` beside the ones every Machine gets. */
  readonly hosts?: readonly { readonly ip: string; readonly hostnames: readonly string[] }[];
  /** Kernel parameters of the Machine's own namespaces. */
  readonly sysctls?: Readonly<Record<string, string>>;
  /** All containers see each other's processes. */
  readonly sharesProcesses?: boolean;
  /** Group that owns the volumes, and that every process is in. */
  readonly fsGroup?: number;
  /** RFC 3339: when everything that still runs is stopped, `DeadlineExceeded`. */
  readonly deadlineAt?: string;
  /** Tried in order for images whose reference they match, then without any. */
  readonly pullCredentials?: readonly PullCredential[];
}

/** `match` is `host[:port][/path]`, the host with `*` for parts of a name, as in Kubernetes. */
export interface PullCredential {
  readonly match: string;
  readonly username: string;
  readonly password: string;
}

export interface ContainerBundle {
  /** Why it is not to be started, whatever else is given; one that runs already runs on. */
  readonly refused?: { readonly reason: string; readonly message: string };
  /** In order; they win over `config.containers[].env`. */
  readonly env?: readonly { readonly name: string; readonly value: string }[];
  /** With a value these win over `config.containers[].entrypoint` and `.cmd`; `[]` is a value. */
  readonly entrypoint?: readonly string[];
  readonly cmd?: readonly string[];
  readonly workingDir?: string;
  readonly imagePullPolicy?: "Always" | "IfNotPresent" | "Never";
  readonly resources?: ContainerResources;
  /** What of its resources it must be started anew for when it changes. */
  readonly restartOnResize?: readonly ("cpu" | "memory")[];
  /** From -1000, never killed when the host has no memory left, to 1000, killed first. */
  readonly oomScoreAdj?: number;
  /** Names of this container's mounts that are read-only. */
  readonly readOnlyMounts?: readonly string[];
  /** These win over `config.containers[].mounts`; several may show parts of one volume. */
  readonly mounts?: readonly ContainerMount[];
  readonly probes?: ContainerProbes;
  /** `postStart` is awaited before the container counts as running, `preStop` inside the grace. */
  readonly hooks?: { readonly postStart?: Handler; readonly preStop?: Handler };
  readonly security?: ContainerSecurity;
  /** A file whose text, at most 4096 bytes, becomes the message of the container's end. */
  readonly terminationMessage?: { readonly path: string; readonly fallsBackToLogs: boolean };
  readonly stdin?: boolean;
  readonly stdinOnce?: boolean;
  readonly tty?: boolean;
  /** The first whose exit codes fit decides over a restart, else `config.containers[].restart`. */
  readonly restartRules?: readonly RestartRule[];
}

/**
 * A container that joins a Machine that runs. It is started once and never again, and counts for
 * nothing: no end of it ends the Machine, and it keeps none alive.
 */
export interface AddedContainer {
  readonly image: string;
  /** The container whose processes it sees. */
  readonly target?: string;
  readonly bundle: ContainerBundle;
}

export interface ContainerMount {
  readonly name: string;
  readonly path: string;
  /** A file or folder of the volume; made when it is not there. Never leads out of the volume. */
  readonly subPath?: string;
  readonly readOnly?: boolean;
}

export interface ContainerProbes {
  readonly startup?: ProbeSpec;
  readonly readiness?: ProbeSpec;
  readonly liveness?: ProbeSpec;
}

/** As in Kubernetes, every number given. */
export interface ProbeSpec {
  readonly handler: Handler;
  readonly initialDelaySeconds: number;
  readonly periodSeconds: number;
  readonly timeoutSeconds: number;
  readonly successThreshold: number;
  readonly failureThreshold: number;
  /** Wins over the Machine's grace when this probe ends the container. */
  readonly terminationGracePeriodSeconds?: number;
}

/** What a probe or a hook does. Ports are numbers; without a host it is the Machine's address. */
export type Handler =
  | { readonly kind: "exec"; readonly command: readonly string[] }
  | {
      readonly kind: "http";
      readonly scheme: "http" | "https";
      readonly host?: string;
      readonly port: number;
      readonly path: string;
      readonly headers: readonly { readonly name: string; readonly value: string }[];
    }
  | { readonly kind: "tcp"; readonly host?: string; readonly port: number }
  | { readonly kind: "grpc"; readonly port: number; readonly service: string }
  | { readonly kind: "sleep"; readonly seconds: number };

/** Who a container runs as and what it may do; what is absent is the runtime's default. */
export interface ContainerSecurity {
  readonly runAsUser?: number;
  readonly runAsGroup?: number;
  /** Refused at its start when the user is root, or a name that could be. */
  readonly runAsNonRoot?: boolean;
  readonly supplementalGroups?: readonly number[];
  /** Only the groups given count, not those of the image's `/etc/group`. */
  readonly strictGroups?: boolean;
  readonly privileged?: boolean;
  readonly capabilities?: { readonly add: readonly string[]; readonly drop: readonly string[] };
  readonly noNewPrivileges?: boolean;
  readonly readOnlyRootFilesystem?: boolean;
  /** The runtime's own profile, none, or one that the host has under this relative path. */
  readonly seccomp?: "default" | "unconfined" | { readonly localhost: string };
  readonly unmaskedProc?: boolean;
}

export interface RestartRule {
  readonly action: "restart";
  readonly operator: "In" | "NotIn";
  readonly exitCodes: readonly number[];
}

export interface ContainerResources {
  /** Hard limit in thousandths of a core; absent: the Machine's. */
  readonly cpu_millis?: number;
  /** Hard limit in bytes; absent: the Machine's. */
  readonly memory_bytes?: number;
  /** CPU time against the other containers, 1024 for a core; absent: as its hard limit says. */
  readonly cpu_shares?: number;
}

export interface VolumeImage {
  readonly image: string;
  readonly imagePullPolicy?: "Always" | "IfNotPresent" | "Never";
}

export interface VolumeFile {
  /** Relative to the mount, no `..`. */
  readonly path: string;
  /** Permission bits as a decimal number. */
  readonly mode: number;
  /** The user that it belongs to; absent: root. */
  readonly uid?: number;
  /** Base64. */
  readonly content: string;
}

/** What the protocol tells of one Machine. */
export interface MachineReport {
  /** Grows with every change of this report or of the Machine. */
  readonly revision: number;
  /** What the Machine still waits for before its containers start. */
  readonly awaits?: "bundle";
  /** When the Machine's network was ready, RFC 3339; absent before. */
  readonly networkReadyAt?: string;
  readonly containers: readonly ContainerReport[];
  /** Oldest first, the newest fifty. */
  readonly events: readonly ContainerEvent[];
  /** Why all of its containers were ended for good: `DeadlineExceeded`, `Evicted`. */
  readonly ended?: MachineEnd;
}

/** Why a Machine's containers were ended, in a Pod status' words; kept until it is started again. */
export interface MachineEnd {
  readonly reason: string;
  readonly message: string;
  /** Not the containers' own fault: the reason of the Pod's condition `DisruptionTarget`. */
  readonly disruption?: string;
}

/** Asks that all containers are ended for good, within the grace. */
export interface MachineEndRequest extends MachineEnd {
  readonly graceSeconds: number;
}

export interface ContainerReport {
  readonly name: string;
  readonly image: string;
  /** `repository@sha256:…`, empty until the image is there. */
  readonly imageID: string;
  /** `fks://…`, empty before the first start. */
  readonly containerID: string;
  readonly restartCount: number;
  readonly state: ContainerState;
  readonly lastState?: ContainerState;
  /** True once it runs and its startup check, if any, passed. */
  readonly started: boolean;
  readonly ready: boolean;
  /** Limits that are in force; absent: the Machine's. */
  readonly resources?: ContainerResources;
  /** Who its first process is. */
  readonly user?: {
    readonly uid: number;
    readonly gid: number;
    readonly groups: readonly number[];
  };
}

/** Exactly one of the three is present, as in Kubernetes' ContainerState. */
export interface ContainerState {
  readonly waiting?: { readonly reason: string; readonly message?: string };
  readonly running?: { readonly startedAt: string };
  readonly terminated?: ContainerTerminated;
}

export interface ContainerTerminated {
  readonly exitCode: number;
  /** Only when a signal ended it. */
  readonly signal?: number;
  /** `Completed`, `Error`, `OOMKilled`, `ContainerStatusUnknown`, `ContainerCannotRun` … */
  readonly reason: string;
  readonly message?: string;
  readonly startedAt: string;
  readonly finishedAt: string;
  readonly containerID: string;
}

/** What happened to a container, in the kubelet's reasons and words. */
export interface ContainerEvent {
  /** Unique in its Machine and growing. */
  readonly seq: number;
  readonly container: string;
  readonly type: "Normal" | "Warning";
  /** `Pulling`, `Pulled`, `Created`, `Started`, `Killing`, `BackOff`, `Failed` … */
  readonly reason: string;
  readonly message: string;
  /** RFC 3339. */
  readonly at: string;
}

/** One line of the change stream; `synced` follows the Machines that existed at its start. */
export type MachineChange =
  | {
      readonly type: "machine";
      readonly app: string;
      readonly machine: Machine;
      readonly report: MachineReport;
    }
  | { readonly type: "gone"; readonly app: string; readonly id: MachineId }
  | { readonly type: "synced" }
  | { readonly type: "ping" };

/** What the host of Machines has trouble with, in the kubelet's reasons and words. */
export interface HostTrouble {
  /** `FreeDiskSpaceFailed`, `ImageGCFailed`, `InvalidDiskCapacity`. */
  readonly reason: string;
  readonly message: string;
  /** RFC 3339. */
  readonly at: string;
}

export interface LogOptions {
  readonly follow?: boolean;
  readonly previous?: boolean;
  /** 0 is a value: nothing of the past. */
  readonly tailLines?: number;
  readonly limitBytes?: number;
  readonly sinceSeconds?: number;
  /** RFC 3339. */
  readonly sinceTime?: string;
  /** Each line starts with RFC 3339 nanoseconds and a space. */
  readonly timestamps?: boolean;
}

export interface TerminalSize {
  readonly cols: number;
  readonly rows: number;
}

/** How an exec ended. */
export interface ExitStatus {
  readonly exitCode: number;
  readonly signal?: number;
}

/** What one Machine uses; a container that does not run is not in it. */
export interface MachineUsage {
  readonly app: string;
  readonly id: MachineId;
  /** RFC 3339: when these numbers were read. */
  readonly at: string;
  readonly containers: readonly ContainerUsage[];
  /** Volumes that live as long as the Machine. */
  readonly volumes: readonly VolumeUsage[];
  /** Of the Machine's own interface. */
  readonly network?: { readonly receivedBytes: number; readonly sentBytes: number };
}

export interface ContainerUsage {
  readonly name: string;
  /** RFC 3339. */
  readonly startedAt: string;
  /** Of a core, since its start. */
  readonly cpuNanoseconds: number;
  /** The working set: without what the kernel could drop at once. */
  readonly memoryBytes: number;
  /** All of it, caches too. */
  readonly usageBytes: number;
  readonly rssBytes: number;
  readonly pageFaults: number;
  readonly majorPageFaults: number;
  readonly processes: number;
  /** What it wrote into its root file system; absent where that is not known. */
  readonly rootBytes?: number;
  /** Files and folders of those. */
  readonly rootInodes?: number;
  /** Its logs, those of earlier starts too. */
  readonly logBytes?: number;
  readonly logInodes?: number;
}

export interface VolumeUsage {
  readonly name: string;
  readonly usedBytes: number;
  readonly usedInodes?: number;
  /** Absent: it is on disk, with as much as the host has. */
  readonly capacityBytes?: number;
}
