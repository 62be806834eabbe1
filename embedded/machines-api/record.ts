import type {
  ImageRef,
  MachineConfig,
  MachineEvent,
  MachineId,
  MachineState,
} from "#core/fly/machine.ts";
import type {
  ContainerEvent,
  ContainerResources,
  ContainerState,
  MachineEnd,
} from "#core/fly/machine-protocol.ts";
import type { StartedUser } from "./runtime/runtime.ts";

/** All the server knows of one Machine; a new value for every change, the store keeps it as it is. */
export interface MachineRecord {
  readonly id: MachineId;
  readonly app: string;
  readonly name: string;
  readonly region: string;
  /** Gives the Machine its addresses; never given twice while it is alive. */
  readonly serial: number;
  readonly createdMs: number;
  readonly updatedMs: number;
  /** Grows with every change. */
  readonly revision: number;
  readonly state: MachineState;
  /** ULID of the version of the config. */
  readonly instanceId: string;
  readonly config: MachineConfig;
  /** False: `skip_launch`, the new Machine goes to `stopped`. */
  readonly launch: boolean;
  readonly containers: readonly ContainerRecord[];
  /** Containers that came while it ran; they are started once and are not in the config. */
  readonly added?: readonly AddedRecord[];
  /** Next attempt of each container name this Machine ever had: attempts are never used twice. */
  readonly attempts: Readonly<Record<string, number>>;
  /** Newest first. */
  readonly events: readonly MachineEvent[];
  /** Oldest first. */
  readonly containerEvents: readonly ContainerEvent[];
  readonly imageRef?: ImageRef;
  readonly networkReadyMs?: number;
  readonly stopping?: Stopping;
  /** When all that still runs is stopped. */
  readonly deadlineMs?: number;
  /** Why all of its containers were ended for good. */
  readonly ended?: MachineEnd;
  readonly cordoned: boolean;
  readonly lease?: LeaseRecord;
  readonly destroyedMs?: number;
}

export interface AddedRecord {
  readonly name: string;
  readonly image: string;
  /** The container whose processes it sees. */
  readonly target?: string;
}

/** Why the containers of a Machine are being ended, and how. */
export interface Stopping {
  /** The state that follows. */
  readonly to: "stopped" | "starting";
  /** Nobody asked: what the Machine lives for has ended. */
  readonly byItself?: boolean;
  readonly sinceMs: number;
  /** Absent: what the config says. */
  readonly signal?: string;
  /** Absent: what the config says. */
  readonly timeoutMs?: number;
}

export interface LeaseRecord {
  readonly nonce: string;
  readonly expiresMs: number;
  readonly owner: string;
  readonly description: string;
}

/**
 * `pending` wants to run as soon as it may, `starting` is the written intent to start `attempt`,
 * `done` has ended for good, `refused` has a configuration that cannot run.
 */
export type ContainerPhase = "pending" | "starting" | "running" | "done" | "refused";

export interface ContainerRecord {
  readonly name: string;
  readonly image: string;
  readonly phase: ContainerPhase;
  /** Of the start that runs, ran last, or is tried. */
  readonly attempt: number;
  readonly restartCount: number;
  readonly imageID: string;
  readonly containerID: string;
  readonly shown: ContainerState;
  readonly lastState?: ContainerState;
  /** True once it was `isStarted` since the Machine was last started. */
  readonly hasStarted: boolean;
  /** It runs, and its startup check, if any, passed. */
  readonly isStarted: boolean;
  readonly isReady: boolean;
  /** Of its last start since the Machine was started. */
  readonly startedMs?: number;
  /** Its process runs and it counts as running once its hook is done. */
  readonly launchedMs?: number;
  /** Limits in force; absent: the Machine's. */
  readonly resources?: ContainerResources;
  readonly user?: StartedUser;
  /** Before this it is not tried again. */
  readonly notBeforeMs: number;
  readonly crashBackOffMs: number;
  readonly failBackOffMs: number;
  /** Starts after a crash, for `max_retries`. */
  readonly retries: number;
  /** What it shows from `atMs` on while it waits. */
  readonly next?: {
    readonly atMs: number;
    readonly reason: string;
    readonly message: string;
    /** Of an image that cannot be had; absent: the container's own. */
    readonly image?: string;
  };
  /** It is ended though its Machine goes on. */
  readonly ending?: ContainerEnding;
  readonly preStop?: "runs" | "done";
  readonly signalledMs?: number;
  readonly killed?: boolean;
  readonly exit?: ContainerEnd;
  /** Attempts that ended and still hold something on the host. */
  readonly unreleased: readonly number[];
}

export interface ContainerEnding {
  readonly by: "liveness" | "startup" | "postStart" | "resize";
  /** What the event `Killing` says. */
  readonly killing: string;
  /** What the container's own state says until it is tried again. */
  readonly message?: string;
  readonly sinceMs: number;
  /** Absent: what the config says. */
  readonly timeoutMs?: number;
}

export interface ContainerEnd {
  readonly exitCode: number;
  readonly signal?: number;
  readonly oomKilled: boolean;
  readonly atMs: number;
}

export function containerOf(record: MachineRecord, name: string): ContainerRecord | undefined {
  return record.containers.find((container) => container.name === name);
}

/** True while it has processes, or may have some. */
export function isActive({ phase }: ContainerRecord): boolean {
  return phase === "starting" || phase === "running";
}

/** The record with one container replaced. */
export function withContainer(record: MachineRecord, changed: ContainerRecord): MachineRecord {
  const containers = record.containers.map((other) =>
    other.name === changed.name ? changed : other,
  );
  return { ...record, containers };
}

/** Its last end: the one it shows, else the one before. */
export function lastStateOf({ shown, lastState }: ContainerRecord): ContainerState | undefined {
  return shown.terminated === undefined ? lastState : shown;
}

/** RFC 3339, UTC. */
export function iso(ms: number): string {
  return new Date(ms).toISOString();
}
