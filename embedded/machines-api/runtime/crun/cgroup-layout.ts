/** Which cgroup hierarchies this host has. Pure. */
export interface CgroupLayout {
  readonly mode: "v1" | "v2" | "hybrid";
  readonly hierarchies: readonly CgroupHierarchy[];
}

export interface CgroupHierarchy {
  readonly path: string;
  readonly version: 1 | 2;
  /** Of version 1, as mounted: `memory`, `cpu`, `cpuacct`, `name=systemd` … */
  readonly controllers: readonly string[];
}

/** From `/proc/self/mountinfo`. A version 2 mount on the top alone means pure version 2. */
export function cgroupLayoutFor(mountinfo: string): CgroupLayout {
  const hierarchies = mountinfo.split("\n").flatMap((line) => hierarchyOf(line));
  const versions = new Set(hierarchies.map(({ version }) => version));
  const mode = versions.size === 2 ? "hybrid" : versions.has(1) ? "v1" : "v2";
  return { mode, hierarchies };
}

function hierarchyOf(line: string): readonly CgroupHierarchy[] {
  const [mount = "", filesystem = ""] = line.split(" - ");
  const path = mount.split(" ")[4] ?? "";
  const [type = "", , options = ""] = filesystem.split(" ");
  if (!path.startsWith("/sys/fs/cgroup")) return [];
  if (type === "cgroup2") return [{ path, version: 2, controllers: [] }];
  if (type !== "cgroup") return [];
  const controllers = options.split(",").filter((option) => option !== "rw" && option !== "ro");
  return [{ path, version: 1, controllers }];
}

/** OCI runtimes to look for, best first: crun is faster, and refuses hybrid hosts. */
export function ociRuntimesFor({ mode }: CgroupLayout): readonly string[] {
  return mode === "hybrid" ? ["runc"] : ["crun", "runc"];
}
