/** The OCI runtime's `config.json`. Pure. */
import { CONTAINER_PATH } from "../../program-path.ts";
import type { ContainerLimits, ContainerSpec, MachineSpec } from "../runtime.ts";
import { capabilitiesFor } from "./capabilities.ts";
import { INIT_PATH, type MountPaths, mountsFor, type OciMount } from "./oci-mounts.ts";
import { type SeccompProfile, seccompProfileFor } from "./seccomp.ts";
import type { ContainerUser } from "./users.ts";

const MASKED_PATHS = [
  "/proc/acpi",
  "/proc/asound",
  "/proc/interrupts",
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/timer_list",
  "/proc/timer_stats",
  "/proc/sched_debug",
  "/proc/scsi",
  "/sys/firmware",
  "/sys/devices/virtual/powercap",
] as const;

const READONLY_PATHS = [
  "/proc/bus",
  "/proc/fs",
  "/proc/irq",
  "/proc/sys",
  "/proc/sysrq-trigger",
] as const;

const CPU_PERIOD_US = 100_000;
const CPU_QUOTA_MIN_US = 1_000;
const SHARES_PER_CPU = 1_024;
const SHARES_MIN = 2;

/** Enough for any server, and a fork bomb ends there. */
const PIDS_MAX = 16_384;

const OPEN_FILES_WANTED = 1_048_576;

/** What a container takes from its Machine. */
export type OciMachine = Pick<MachineSpec, "hostname" | "cpuMillis" | "memoryBytes" | "sysctls">;

interface OciRequest {
  readonly machine: OciMachine;
  readonly container: ContainerSpec;
  readonly user: ContainerUser;
  readonly paths: OciPaths;
  readonly host: HostFacts;
  /** The profile that the container names, already read. */
  readonly localProfile?: SeccompProfile | undefined;
}

/** Places on the host that the container is made of. */
export interface OciPaths extends MountPaths {
  readonly root: string;
  readonly namespaces: OciNamespaces;
  /** From the root of each hierarchy, with a leading slash. */
  readonly cgroup: string;
}

export interface OciNamespaces {
  readonly network: string;
  readonly uts: string;
  readonly ipc: string;
  /** Absent: the container's own. */
  readonly pid?: string;
}

/** What this host allows. */
export interface HostFacts {
  readonly openFilesMax: number;
  /** This process's own. */
  readonly oomScoreAdj: number;
  /** Whether cgroups count swap; where they do not, a swap limit cannot be set. */
  readonly countsSwap: boolean;
  /** What may be given to a container. */
  readonly capabilities: ReadonlySet<string>;
  /** As Node.js names it. */
  readonly architecture: string;
  /** Those that a privileged container gets besides the ones all have. */
  readonly devices: readonly OciDevice[];
}

export interface OciDevice {
  readonly path: string;
  readonly type: "c";
  readonly major: number;
  readonly minor: number;
  readonly fileMode: number;
  readonly uid: number;
  readonly gid: number;
}

/** Throws FksError for what this host cannot give: capabilities, a seccomp profile. */
export function ociConfigFor(request: OciRequest): OciConfig {
  const { machine, container, user, paths, host } = request;
  const { security } = container;
  const capabilities = capabilitiesFor(security, host.capabilities);
  const isPrivileged = security?.privileged === true;
  const isUnmasked = isPrivileged || security?.unmaskedProc === true;
  const devices = isPrivileged ? host.devices : [];
  const profile =
    security?.seccomp === "default"
      ? seccompProfileFor(capabilities, host.architecture)
      : request.localProfile;
  const seccomp = isPrivileged ? undefined : profile;
  return {
    ociVersion: "1.0.2",
    process: {
      terminal: container.tty,
      user: { uid: user.uid, gid: user.gid, additionalGids: user.additionalGids },
      args: [INIT_PATH, "--", ...container.args],
      env: envFor(container, machine.hostname, user.home),
      cwd: container.cwd === "" ? "/" : container.cwd,
      capabilities: {
        bounding: capabilities,
        // A user other than root starts without and may only gain bounded ones.
        effective: user.uid === 0 ? capabilities : [],
        permitted: user.uid === 0 ? capabilities : [],
      },
      rlimits: [openFilesFor(host)],
      noNewPrivileges: security?.noNewPrivileges === true,
      oomScoreAdj: oomScoreOf(container, host),
    },
    root: { path: paths.root, readonly: security?.readOnlyRootFilesystem === true },
    mounts: mountsFor(container, paths),
    linux: {
      namespaces: namespacesFor(paths.namespaces),
      cgroupsPath: paths.cgroup,
      resources: resourcesFor(container, machine, host, devices),
      ...(devices.length === 0 ? {} : { devices }),
      ...(Object.keys(machine.sysctls).length === 0 ? {} : { sysctl: machine.sysctls }),
      ...(seccomp === undefined ? {} : { seccomp }),
      maskedPaths: isUnmasked ? [] : MASKED_PATHS,
      readonlyPaths: isUnmasked ? [] : READONLY_PATHS,
    },
  };
}

/** Only who may claim the host's resources may make a process safer than it is itself. */
function oomScoreOf({ oomScoreAdj = 0 }: ContainerSpec, host: HostFacts): number {
  return host.capabilities.has("CAP_SYS_RESOURCE")
    ? oomScoreAdj
    : Math.max(oomScoreAdj, host.oomScoreAdj);
}

/** Its own mounts, the Machine's everything else but, unless told, the processes. */
function namespacesFor({ pid, network, uts, ipc }: OciNamespaces): readonly OciNamespace[] {
  return [
    pid === undefined ? { type: "pid" } : { type: "pid", path: pid },
    { type: "mount" },
    { type: "cgroup" },
    { type: "network", path: network },
    { type: "uts", path: uts },
    { type: "ipc", path: ipc },
  ];
}

export interface OciProcess {
  readonly terminal: boolean;
  readonly user: {
    readonly uid: number;
    readonly gid: number;
    readonly additionalGids: readonly number[];
  };
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly capabilities: Readonly<Record<string, readonly string[]>>;
  readonly rlimits: readonly {
    readonly type: string;
    readonly soft: number;
    readonly hard: number;
  }[];
  readonly noNewPrivileges: boolean;
  readonly oomScoreAdj: number;
}

/** The part of the OCI specification that is used here. */
export interface OciConfig {
  readonly ociVersion: string;
  readonly process: OciProcess;
  readonly root: { readonly path: string; readonly readonly: boolean };
  readonly mounts: readonly OciMount[];
  readonly linux: {
    readonly namespaces: readonly OciNamespace[];
    readonly cgroupsPath: string;
    readonly resources: OciResources;
    readonly devices?: readonly OciDevice[];
    readonly sysctl?: Readonly<Record<string, string>>;
    readonly seccomp?: SeccompProfile;
    readonly maskedPaths: readonly string[];
    readonly readonlyPaths: readonly string[];
  };
}

interface OciNamespace {
  readonly type: string;
  readonly path?: string;
}

interface OciResources {
  readonly devices: readonly {
    readonly allow: boolean;
    readonly access: string;
    readonly type?: string;
    readonly major?: number;
    readonly minor?: number;
  }[];
  readonly memory?: { readonly limit: number; readonly swap?: number };
  readonly cpu?: CpuResources;
  readonly pids: { readonly limit: number };
}

/** In the given order; what every program expects stands before, so that a given value wins. */
function envFor({ env, tty }: ContainerSpec, hostname: string, home: string): readonly string[] {
  const given = new Set(env.map((entry) => entry.slice(0, entry.indexOf("="))));
  const defaults = [
    ["PATH", CONTAINER_PATH],
    ["HOSTNAME", hostname],
    ["HOME", home],
    ...(tty ? [["TERM", "xterm"]] : []),
  ];
  return [
    ...defaults.filter(([name = ""]) => !given.has(name)).map((pair) => pair.join("=")),
    ...env,
  ];
}

function openFilesFor(host: HostFacts) {
  const count = Math.min(OPEN_FILES_WANTED, host.openFilesMax);
  return { type: "RLIMIT_NOFILE", soft: count, hard: count };
}

/** A container's limits never exceed its Machine's: cgroup v1 refuses such a quota. */
function resourcesFor(
  { cpuMillis, memoryBytes, cpuShares }: ContainerSpec,
  machine: OciMachine,
  { countsSwap }: HostFacts,
  devices: readonly OciDevice[],
): OciResources {
  const cpu = cpuOf({ cpuMillis, cpuShares }, machine.cpuMillis);
  const limit = smallest(memoryBytes, machine.memoryBytes);
  return {
    devices: [
      { allow: false, access: "rwm" },
      ...devices.map(({ type, major, minor }) => ({
        allow: true,
        access: "rwm",
        type,
        major,
        minor,
      })),
    ],
    ...(limit === undefined ? {} : { memory: { limit, ...(countsSwap ? { swap: limit } : {}) } }),
    ...(cpu === undefined ? {} : { cpu }),
    pids: { limit: PIDS_MAX },
  };
}

export interface CpuResources {
  readonly quota?: number;
  readonly period?: number;
  readonly shares: number;
}

/** What a container gets of `most` thousandths of a core; without a limit of its own no quota. */
export function cpuOf(
  { cpuMillis, cpuShares }: Omit<ContainerLimits, "memoryBytes">,
  most: number | undefined,
): CpuResources | undefined {
  if (cpuMillis === undefined && cpuShares !== undefined) return { shares: cpuShares };
  const millis = smallest(cpuMillis, most);
  if (millis === undefined) return undefined;
  const { shares, ...limit } = cpuFor(millis);
  return { ...limit, shares: cpuShares ?? shares };
}

/** How `millis` thousandths of a core are written for the kernel's scheduler. */
export function cpuFor(millis: number): { quota: number; period: number; shares: number } {
  return {
    quota: Math.max(CPU_QUOTA_MIN_US, Math.round((millis * CPU_PERIOD_US) / 1_000)),
    period: CPU_PERIOD_US,
    shares: Math.max(SHARES_MIN, Math.round((millis * SHARES_PER_CPU) / 1_000)),
  };
}

/** 0 and absent mean no limit. */
function smallest(...limits: readonly (number | undefined)[]): number | undefined {
  const given = limits.filter((limit) => limit !== undefined && limit > 0);
  return given.length === 0 ? undefined : Math.min(...given.map(Number));
}
