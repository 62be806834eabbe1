/** The host programs fks-node runs on, and the packages that bring them, by package manager. */
export interface SystemProgram {
  readonly program: string;
  readonly why: string;
  readonly packages: Readonly<Record<PackageManager, string>>;
}

export type PackageManager = "apt-get" | "dnf" | "pacman" | "apk";

export const SYSTEM_PROGRAMS: readonly SystemProgram[] = [
  {
    program: "runc",
    why: "runs containers on hosts with hybrid cgroups",
    packages: { "apt-get": "runc", dnf: "runc", pacman: "runc", apk: "runc" },
  },
  {
    program: "crun",
    why: "runs containers",
    packages: { "apt-get": "crun", dnf: "crun", pacman: "crun", apk: "crun" },
  },
  {
    program: "conmon",
    why: "keeps containers alive while fks-node is away",
    packages: { "apt-get": "conmon", dnf: "conmon", pacman: "conmon", apk: "conmon" },
  },
  {
    program: "catatonit",
    why: "is the first process of each container",
    packages: { "apt-get": "catatonit", dnf: "catatonit", pacman: "catatonit", apk: "catatonit" },
  },
  {
    program: "ip",
    why: "makes networks",
    packages: { "apt-get": "iproute2", dnf: "iproute", pacman: "iproute2", apk: "iproute2" },
  },
  {
    program: "nft",
    why: "lets containers out to the internet",
    packages: { "apt-get": "nftables", dnf: "nftables", pacman: "nftables", apk: "nftables" },
  },
  {
    program: "mke2fs",
    why: "makes the file systems of volumes",
    packages: { "apt-get": "e2fsprogs", dnf: "e2fsprogs", pacman: "e2fsprogs", apk: "e2fsprogs" },
  },
  {
    program: "nsenter",
    why: "runs tests in networks of their own",
    packages: {
      "apt-get": "util-linux",
      dnf: "util-linux",
      pacman: "util-linux",
      apk: "util-linux",
    },
  },
  {
    program: "busybox",
    why: "is what the demo's and the tests' images are made of",
    packages: {
      "apt-get": "busybox-static",
      dnf: "busybox",
      pacman: "busybox",
      apk: "busybox-static",
    },
  },
];

const INSTALL: Readonly<Record<PackageManager, readonly string[]>> = {
  "apt-get": ["install", "-y", "--no-install-recommends"],
  dnf: ["install", "-y"],
  pacman: ["-S", "--noconfirm", "--needed"],
  apk: ["add"],
};

/** The programs that `has` does not find. */
export function missingPrograms(has: (program: string) => boolean): readonly SystemProgram[] {
  return SYSTEM_PROGRAMS.filter(({ program }) => !has(program));
}

/** The command that installs what the programs need, with this host's package manager. */
export function installCommandFor(
  programs: readonly SystemProgram[],
  manager: PackageManager,
): readonly string[] {
  const names = new Set(programs.map(({ packages }) => packages[manager]));
  return [manager, ...INSTALL[manager], ...names];
}

/** The first package manager that `has` finds. */
export function packageManagerOf(has: (program: string) => boolean): PackageManager | undefined {
  const known: readonly PackageManager[] = ["apt-get", "dnf", "pacman", "apk"];
  return known.find(has);
}
