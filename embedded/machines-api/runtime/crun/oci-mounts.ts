/** What a container sees of its Machine's and the host's files. Pure. */
import type { ContainerSpec, MountSpec } from "../runtime.ts";

export interface OciMount {
  readonly destination: string;
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}

/** Where PID 1 of every container is mounted: a place that needs no folder in the image. */
export const INIT_PATH = "/dev/init";

export interface MountPaths {
  readonly init: string;
  readonly hosts: string;
  readonly resolvConf: string;
  readonly hostname: string;
  readonly shm: string;
  readonly termination: string;
  /** For each of the container's mounts, in their order: the file or folder that it shows. */
  readonly mounts: readonly string[];
}

const NO_EXEC = ["nosuid", "noexec", "nodev"];

/** Outer paths before inner ones, or an outer mount would hide an inner; a given one wins. */
export function mountsFor(container: ContainerSpec, paths: MountPaths): readonly OciMount[] {
  const own = ownMounts(container, paths);
  const taken = new Set(own.map(({ destination }) => destination));
  const system = systemMounts(paths, container.security?.privileged === true);
  return [...system.filter(({ destination }) => !taken.has(destination)), ...own].toSorted(
    (a, b) => depthOf(a) - depthOf(b),
  );
}

function depthOf({ destination }: OciMount): number {
  return destination.split("/").filter((part) => part !== "").length;
}

function ownMounts(container: ContainerSpec, paths: MountPaths): readonly OciMount[] {
  const { mounts, terminationMessagePath: termination } = container;
  const volumes = mounts.map((mount, index) =>
    bind(mount.path, paths.mounts[index] ?? "", accessOf(mount)),
  );
  return termination === undefined || mounts.some(({ path }) => path === termination)
    ? volumes
    : [...volumes, bind(termination, paths.termination, ["rw"])];
}

function accessOf({ volume: { kind }, readOnly }: MountSpec): readonly string[] {
  if (kind === "image") return ["ro", ...NO_EXEC];
  // Files belong to who delivers them.
  return readOnly || kind === "files" ? ["ro"] : ["rw"];
}

function systemMounts(paths: MountPaths, isPrivileged: boolean): readonly OciMount[] {
  const access = isPrivileged ? "rw" : "ro";
  return [
    { destination: "/proc", type: "proc", source: "proc", options: NO_EXEC },
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
    { destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: NO_EXEC },
    { destination: "/sys", type: "sysfs", source: "sysfs", options: [...NO_EXEC, access] },
    {
      destination: "/sys/fs/cgroup",
      type: "cgroup",
      source: "cgroup",
      options: [...NO_EXEC, "relatime", access],
    },
    bind("/dev/shm", paths.shm, NO_EXEC),
    bind(INIT_PATH, paths.init, ["ro", "nosuid", "nodev"]),
    bind("/etc/hosts", paths.hosts),
    bind("/etc/resolv.conf", paths.resolvConf),
    bind("/etc/hostname", paths.hostname),
  ];
}

export function bind(
  destination: string,
  source: string,
  options: readonly string[] = [],
): OciMount {
  return { destination, type: "bind", source, options: ["rbind", "rprivate", ...options] };
}
