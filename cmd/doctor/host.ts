import { existsSync, readFileSync } from "node:fs";
import { FksError } from "#core/errors.ts";
import { cachedKubePath } from "#embedded/control-plane/upstream/build.ts";
import { runProgram } from "#embedded/machines-api/network/run-program.ts";
import { PROGRAM_PATH } from "#embedded/machines-api/program-path.ts";
import { ociRuntimesFor } from "#embedded/machines-api/runtime/crun/cgroup-layout.ts";
import { hostCgroupLayout } from "#embedded/machines-api/runtime/crun/host.ts";
import type { Config, Environment } from "../config.ts";
import { type Check, failed, type Observation, ok, skipped } from "./check.ts";
import type { EngineOutlook } from "./engine-outlook.ts";

/** What `serve` needs of this host: programs and kernel. */
export function hostChecks(
  config: Config,
  env: Environment,
  outlook: EngineOutlook,
): readonly Check[] {
  const network = config.machines === "embedded" ? networkChecks() : [];
  const containers = needsContainers(config) ? containerChecks() : [];
  return [
    {
      id: "host.root",
      expected: "root, to make network namespaces, addresses and containers",
      remedy: "run it as root, for example with sudo",
      async look() {
        const uid = process.getuid?.();
        return uid === 0 ? ok("user 0") : failed(`user ${uid ?? "unknown"}`);
      },
    },
    kubeCheck(config, env, outlook),
    ...programChecks(config),
    ...network,
    ...containers,
  ];
}

/** The programs of this host without which `serve` cannot run a single Machine. */
export function programChecks(config: Config): readonly Check[] {
  if (config.machines !== "embedded") return [];
  const network = [program("ip", ["ip"], "iproute2"), program("nft", ["nft"], "nftables")];
  if (!needsContainers(config)) return network;
  return [
    ...network,
    {
      id: "program.oci-runtime",
      expected: "an OCI runtime that suits this host's cgroups",
      remedy: `install one of: ${ociRuntimesFor(hostCgroupLayout()).join(", ")}`,
      look: async () => found(ociRuntimesFor(hostCgroupLayout())),
    },
    program("conmon", ["conmon"], "conmon"),
    program("init", ["catatonit", "tini-static"], "catatonit"),
  ];
}

function needsContainers({ machines, runtime }: Config): boolean {
  return machines === "embedded" && runtime === "crun";
}

function kubeCheck({ kubeBin }: Config, env: Environment, { engine, k3s }: EngineOutlook): Check {
  return {
    id: "program.kube",
    expected: "the upstream parts' executable, or Go 1.26 to build it",
    remedy: "install Go 1.26 or later, or name an executable with --kube-bin",
    async look() {
      const path = kubeBin ?? cachedKubePath(env);
      if (existsSync(path)) return ok(path);
      if (engine === "k3s" && k3s.from !== "download") return skipped("the engine is k3s");
      if (kubeBin !== undefined) return failed(`${kubeBin} is not there`);
      const go = Bun.which("go", { PATH: `${env["PATH"] ?? ""}:/usr/local/go/bin` });
      if (go !== null) {
        return ok(`not built yet: serve builds it once with ${go}, which takes some minutes`);
      }
      return engine === "k3s"
        ? skipped("neither is here: needed only where K3s cannot be fetched")
        : failed("neither is here");
    },
  };
}

function networkChecks(): readonly Check[] {
  return [
    {
      id: "kernel.ipv6",
      expected: "IPv6, which all addresses of the cluster are",
      remedy: "boot without ipv6.disable=1",
      async look() {
        const isThere = existsSync("/proc/net/if_inet6");
        return isThere ? ok("on") : failed("the kernel has no IPv6");
      },
    },
    {
      id: "kernel.netns",
      expected: "network namespaces can be made",
      remedy: "run it as root; in a container, with --privileged",
      look: (signal) => tried(["unshare", "--net", "true"], "one was made and is gone", signal),
    },
    {
      id: "kernel.nft",
      expected: "nftables answers",
      remedy: "load the kernel module nf_tables",
      look: (signal) => tried(["nft", "list", "tables"], "it answers", signal),
    },
  ];
}

function containerChecks(): readonly Check[] {
  return [
    {
      id: "kernel.overlayfs",
      expected: "overlayfs, for containers' root file systems",
      remedy: "load it: modprobe overlay",
      async look() {
        const known = readFileSync("/proc/filesystems", "utf8");
        return /\toverlay$/m.test(known) ? ok("on") : failed("the kernel does not know overlay");
      },
    },
    {
      id: "kernel.loop",
      expected: "loop devices and mke2fs, for volumes whose sizes hold",
      remedy: "load the module loop and install e2fsprogs; without them volumes are plain folders",
      async look() {
        const path = Bun.which("mke2fs", { PATH: PROGRAM_PATH });
        if (path !== null && existsSync("/dev/loop-control")) return ok(path);
        return skipped("not here: volumes are plain folders, whose sizes bind nobody");
      },
    },
    {
      id: "kernel.cgroups",
      expected: "cgroups with the controllers cpu and memory",
      remedy: "mount cgroup version 2 on /sys/fs/cgroup; in a container, with --privileged",
      async look() {
        const { mode, hierarchies } = hostCgroupLayout();
        if (hierarchies.length === 0) return failed("no cgroups are mounted");
        const missing = ["cpu", "memory"].filter((name) => !hasController(hierarchies, name));
        const text = { v1: "version 1", v2: "version 2", hybrid: "versions 1 and 2" }[mode];
        return missing.length === 0 ? ok(text) : failed(`${text}, without ${missing.join(", ")}`);
      },
    },
  ];
}

type Hierarchies = ReturnType<typeof hostCgroupLayout>["hierarchies"];

function hasController(hierarchies: Hierarchies, name: string): boolean {
  return hierarchies.some(({ path, version, controllers }) => {
    if (version === 1) return controllers.includes(name);
    const file = `${path}/cgroup.controllers`;
    return existsSync(file) && readFileSync(file, "utf8").trim().split(" ").includes(name);
  });
}

function program(id: string, names: readonly string[], packageName: string): Check {
  return {
    id: `program.${id}`,
    expected: names.join(" or "),
    remedy: `install it, on Debian: apt-get install ${packageName}`,
    look: async () => found(names),
  };
}

function found(names: readonly string[]): Observation {
  const path = names.map((name) => Bun.which(name, { PATH: PROGRAM_PATH })).find(Boolean);
  return path === undefined || path === null ? failed("not installed") : ok(path);
}

async function tried(
  argv: readonly string[],
  good: string,
  signal: AbortSignal,
): Promise<Observation> {
  try {
    await runProgram(argv, signal);
    return ok(good);
  } catch (error) {
    if (FksError.is(error, "Unsupported")) return skipped(`${argv[0]} is not installed`);
    throw error;
  }
}
