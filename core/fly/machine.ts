/**
 * The Machine of Fly's Machines API, in Fly's own words and case.
 * Source: the OpenAPI document of the Machines API, and fly-go where the two differ.
 */
export type MachineId = string;

export const MACHINE_STATES = [
  "creating",
  "created",
  "starting",
  "started",
  "stopping",
  "stopped",
  "restarting",
  "suspending",
  "suspended",
  "updating",
  "replacing",
  "replaced",
  "failed",
  "launch_failed",
  "destroying",
  "destroyed",
  "migrated",
] as const;

export type MachineState = (typeof MACHINE_STATES)[number];

export interface Machine {
  /** 14 hexadecimal characters. */
  readonly id: MachineId;
  readonly name: string;
  readonly state: MachineState;
  readonly region: string;
  /** ULID of the version of the config that runs. */
  readonly instance_id: string;
  /** The 6PN address, `fdaa:…`. */
  readonly private_ip: string;
  /** RFC 3339, UTC. */
  readonly created_at: string;
  readonly updated_at: string;
  readonly image_ref?: ImageRef;
  /** Missing when `host_status` is not `ok`. */
  readonly config?: MachineConfig;
  readonly incomplete_config?: MachineConfig;
  /** Newest first, at most twenty. */
  readonly events: readonly MachineEvent[];
  readonly containers?: readonly { readonly name: string; readonly state: string }[];
  readonly host_status: "ok" | "unknown" | "unreachable";
  readonly cordoned?: boolean;
}

export interface ImageRef {
  readonly registry: string;
  readonly repository: string;
  readonly tag: string;
  readonly digest: string;
  readonly labels?: Readonly<Record<string, string>>;
}

export interface MachineEvent {
  readonly id: string;
  readonly type: string;
  readonly status: string;
  readonly source: "user" | "flyd" | "proxy";
  /** Milliseconds since the Unix epoch. */
  readonly timestamp: number;
  readonly request?: {
    readonly exit_event?: ExitEvent;
    readonly restart_count?: number;
    readonly [key: string]: unknown;
  };
}

export interface ExitEvent {
  readonly exit_code: number;
  readonly guest_exit_code: number;
  /** -1 when the process was not ended by a signal. */
  readonly guest_signal: number;
  readonly signal: number;
  readonly oom_killed: boolean;
  readonly requested_stop: boolean;
  readonly restarting: boolean;
  /** RFC 3339. */
  readonly exited_at: string;
  readonly error?: string;
  readonly guest_error?: string;
}

export interface MachineConfig {
  readonly image?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly init?: MachineInit;
  readonly guest?: GuestConfig;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly files?: readonly MachineFile[];
  readonly containers?: readonly ContainerConfig[];
  readonly volumes?: readonly ContainerVolume[];
  /** Fly takes one. */
  readonly mounts?: readonly MachineMount[];
  readonly restart?: RestartConfig;
  readonly auto_destroy?: boolean;
  readonly stop_config?: StopConfig;
  readonly dns?: DnsConfig;
}

export interface MachineInit {
  readonly exec?: readonly string[];
  readonly entrypoint?: readonly string[];
  readonly cmd?: readonly string[];
  readonly tty?: boolean;
}

export interface GuestConfig {
  readonly cpu_kind: "shared" | "performance";
  readonly cpus: number;
  readonly memory_mb: number;
}

export interface RestartConfig {
  readonly policy: "no" | "on-failure" | "always";
  readonly max_retries?: number;
}

export interface StopConfig {
  readonly signal?: string;
  /** A Go duration string, such as `"30s"`; a bare number is nanoseconds. */
  readonly timeout?: string | number;
}

/** A volume that outlives the Machine. */
export interface MachineMount {
  /** Its id, `vol_…`; absent: any unattached volume called `name`. */
  readonly volume?: string;
  readonly name?: string;
  /** Absolute; every container of a Machine without a bundle sees it there. */
  readonly path: string;
}

export interface MachineFile {
  readonly guest_path: string;
  /** Base64. */
  readonly raw_value?: string;
  readonly secret_name?: string;
  /** Permission bits as a decimal number. */
  readonly mode?: number;
}

export interface ContainerConfig {
  readonly name: string;
  readonly image: string;
  /** Replaces the image's entrypoint and cmd together. */
  readonly exec?: readonly string[];
  readonly entrypoint?: readonly string[];
  readonly cmd?: readonly string[];
  readonly user?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly env_from?: readonly EnvFrom[];
  readonly files?: readonly MachineFile[];
  readonly restart?: RestartConfig;
  readonly stop?: StopConfig;
  readonly depends_on?: readonly ContainerDependency[];
  readonly mounts?: readonly { readonly name: string; readonly path: string }[];
  /** Only Fly reads them. */
  readonly healthchecks?: unknown;
}

export interface EnvFrom {
  readonly env_var: string;
  readonly field_ref: "id" | "version" | "app_name" | "private_ip" | "region" | "image";
}

export interface ContainerDependency {
  readonly name: string;
  readonly condition: "started" | "healthy" | "exited_successfully";
}

export interface ContainerVolume {
  readonly name: string;
  readonly temp_dir?: { readonly storage_type: "disk" | "memory"; readonly size_mb?: number };
}

export interface DnsConfig {
  readonly skip_registration?: boolean;
  readonly nameservers?: readonly string[];
  readonly searches?: readonly string[];
  readonly options?: readonly { readonly name: string; readonly value?: string }[];
  readonly hostname?: string;
  readonly hostname_fqdn?: string;
}
