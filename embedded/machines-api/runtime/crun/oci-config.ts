/** The OCI runtime's `config.json`. Pure. */
import { CONTAINER_PATH } from "../../program-path.ts";
import type { ContainerSpec, MachineSpec } from "../runtime.ts";
import type { ContainerUser } from "./users.ts";

/** What containerd and Docker give a container by default. */
const CAPABILITIES = [
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_FSETID",
  "CAP_FOWNER",
  "CAP_MKNOD",
  "CAP_NET_RAW",
  "CAP_SETGID",
  "CAP_SETUID",
  "CAP_SETFCAP",
  "CAP_SETPCAP",
  "CAP_NET_BIND_SERVICE",
  "CAP_SYS_CHROOT",
  "CAP_KILL",
  "CAP_AUDIT_WRITE",
] as const;

const MASKED_PATHS = [
  "/proc/acpi",
  "/proc/asound",
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

/** Where PID 1 of every container is mounted: a place that needs no folder in the image. */
export const INIT_PATH = "/dev/init";

const CPU_PERIOD_US = 100_000;
const CPU_QUOTA_MIN_US = 1_000;
const SHARES_PER_CPU = 1_024;
const SHARES_MIN = 2;

/** Enough for any server, and a fork bomb ends there. */
const PIDS_MAX = 16_384;

const OPEN_FILES_WANTED = 1_048_576;

interface OciMount {
  readonly destination: string;
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}

/** What a container takes from its Machine. */
export type OciMachine = Pick<MachineSpec, "hostname" | "cpuMillis" | "memoryBytes">;

interface OciRequest {
  readonly machine: OciMachine;
  readonly container: ContainerSpec;
  readonly user: ContainerUser;
  readonly paths: OciPaths;
  readonly host: HostFacts;
}

/** Places on the host that the container is made of. */
export interface OciPaths {
  readonly root: string;
  readonly init: string;
  readonly hosts: string;
  readonly resolvConf: string;
  readonly hostname: string;
  readonly shm: string;
  /** By volume name. */
  readonly volumes: Readonly<Record<string, string>>;
  readonly namespaces: { readonly network: string; readonly uts: string; readonly ipc: string };
  /** From the root of each hierarchy, with a leading slash. */
  readonly cgroup: string;
}

/** What this host allows. */
export interface HostFacts {
  readonly openFilesMax: number;
  /** A container may not be safer from the OOM killer than the host's ordinary processes. */
  readonly oomScoreAdj: number;
  /** Whether cgroups count swap; where they do not, a swap limit cannot be set. */
  readonly countsSwap: boolean;
}

export function ociConfigFor({ machine, container, user, paths, host }: OciRequest): OciConfig {
  return {
    ociVersion: "1.0.2",
    process: {
      terminal: container.tty,
      user: { uid: user.uid, gid: user.gid, additionalGids: user.additionalGids },
      args: [INIT_PATH, "--", ...container.args],
      env: envFor(container, machine.hostname, user.home),
      cwd: container.cwd === "" ? "/" : container.cwd,
      capabilities: {
        bounding: CAPABILITIES,
        effective: effectiveFor(user),
        permitted: effectiveFor(user),
      },
      rlimits: [openFilesFor(host)],
      noNewPrivileges: false,
      oomScoreAdj: Math.max(0, host.oomScoreAdj),
    },
    root: { path: paths.root, readonly: false },
    mounts: [...systemMounts(paths), ...volumeMounts(container, paths)],
    linux: {
      namespaces: [
        { type: "pid" },
        { type: "mount" },
        { type: "cgroup" },
        { type: "network", path: paths.namespaces.network },
        { type: "uts", path: paths.namespaces.uts },
        { type: "ipc", path: paths.namespaces.ipc },
      ],
      cgroupsPath: paths.cgroup,
      resources: resourcesFor(container, machine, host),
      maskedPaths: MASKED_PATHS,
      readonlyPaths: READONLY_PATHS,
    },
  };
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
    readonly namespaces: readonly { readonly type: string; readonly path?: string }[];
    readonly cgroupsPath: string;
    readonly resources: OciResources;
    readonly maskedPaths: readonly string[];
    readonly readonlyPaths: readonly string[];
  };
}

interface OciResources {
  readonly devices: readonly { readonly allow: boolean; readonly access: string }[];
  readonly memory?: { readonly limit: number; readonly swap?: number };
  readonly cpu?: { readonly quota: number; readonly period: number; readonly shares: number };
  readonly pids: { readonly limit: number };
}

/** A user other than root starts without capabilities and may only gain bounded ones. */
function effectiveFor(user: ContainerUser): readonly string[] {
  return user.uid === 0 ? CAPABILITIES : [];
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
  { cpuMillis, memoryBytes }: ContainerSpec,
  machine: OciMachine,
  { countsSwap }: HostFacts,
): OciResources {
  const millis = smallest(cpuMillis, machine.cpuMillis);
  const limit = smallest(memoryBytes, machine.memoryBytes);
  return {
    devices: [{ allow: false, access: "rwm" }],
    ...(limit === undefined ? {} : { memory: { limit, ...(countsSwap ? { swap: limit } : {}) } }),
    ...(millis === undefined ? {} : { cpu: cpuFor(millis) }),
    pids: { limit: PIDS_MAX },
  };
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

function systemMounts(paths: OciPaths): readonly OciMount[] {
  const noExec = ["nosuid", "noexec", "nodev"];
  return [
    { destination: "/proc", type: "proc", source: "proc", options: noExec },
    {
      destination: "/dev",
      type: "tmpfs",
      source: "tmpfs",
      options: ["nosuid", "strictatime", "mode=755", "size=65536k"],
    },
    {
      destination: "/dev/pts",
      type: "devpts",
      source: "devpts",
      options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
    },
    { destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: noExec },
    { destination: "/sys", type: "sysfs", source: "sysfs", options: [...noExec, "ro"] },
    {
      destination: "/sys/fs/cgroup",
      type: "cgroup",
      source: "cgroup",
      options: [...noExec, "relatime", "ro"],
    },
    bind("/dev/shm", paths.shm, noExec),
    bind(INIT_PATH, paths.init, ["ro", "nosuid", "nodev"]),
    bind("/etc/hosts", paths.hosts),
    bind("/etc/resolv.conf", paths.resolvConf),
    bind("/etc/hostname", paths.hostname),
  ];
}

/** Outer paths before inner ones, or an outer mount would hide an inner. */
function volumeMounts({ mounts }: ContainerSpec, { volumes }: OciPaths): readonly OciMount[] {
  return mounts
    .toSorted((a, b) => a.path.split("/").length - b.path.split("/").length)
    .map(({ volume, path, readOnly }) =>
      bind(path, volumes[volume.name] ?? "", readOnly ? ["ro"] : ["rw"]),
    );
}

function bind(destination: string, source: string, options: readonly string[] = []): OciMount {
  return { destination, type: "bind", source, options: ["rbind", "rprivate", ...options] };
}
