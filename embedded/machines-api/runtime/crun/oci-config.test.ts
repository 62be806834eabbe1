import { describe, expect, test } from "bun:test";
import type { ContainerSecurity } from "#core/fly/machine-protocol.ts";
import { networkPlanFor } from "#core/fly/network.ts";
import type { ContainerSpec, VolumeSpec } from "../runtime.ts";
import { capabilitiesIn } from "./capabilities.ts";
import { ociConfigFor } from "./oci-config.ts";
import { containerSpec, machineSpec } from "./testing/world.ts";

const machine = machineSpec(networkPlanFor("0a1b2c3d"), 1);
const paths = {
  root: "/m/root",
  init: "/usr/bin/catatonit",
  hosts: "/m/hosts",
  resolvConf: "/m/resolv.conf",
  hostname: "/m/hostname",
  shm: "/run/shm",
  termination: "/m/termination",
  mounts: ["/m/tokens", "/m/data"],
  namespaces: { network: "/run/netns/n", uts: "/run/uts", ipc: "/run/ipc" },
  cgroup: "/fks-0a1b2c3d/1/app.0",
};
const root = { uid: 0, gid: 0, additionalGids: [], home: "/root" };
const tun = { path: "/dev/net/tun", type: "c", major: 10, minor: 200 } as const;
const host = {
  openFilesMax: 20_000,
  oomScoreAdj: 0,
  countsSwap: true,
  capabilities: capabilitiesIn("1ff_feff_ffff".replaceAll("_", "")),
  architecture: "x64",
  devices: [{ ...tun, fileMode: 0o666, uid: 0, gid: 0 }],
};

function volume(name: string): VolumeSpec {
  return { name, kind: "disk", sizeMb: undefined, files: [] };
}

function config(changes: Partial<ContainerSpec> = {}, facts = host, user = root) {
  const container = { ...containerSpec({ imageRoot: "/i" }, machine, ["run", "-x"]), ...changes };
  return ociConfigFor({ machine, container, user, paths, host: facts });
}

function secured(security: ContainerSecurity) {
  return config({ security });
}

function bounding(security: ContainerSecurity): readonly string[] {
  return secured(security).process.capabilities["bounding"] ?? [];
}

test("init stands before the command, and what is given wins over defaults", () => {
  const { process } = config({ env: ["PATH=/opt", "B=1", "A=2"], cwd: "/srv" });

  expect(process.args).toEqual(["/dev/init", "--", "run", "-x"]);
  expect(process.env).toEqual(["HOSTNAME=web-1", "HOME=/root", "PATH=/opt", "B=1", "A=2"]);
  expect(process.cwd).toBe("/srv");
});

test("root has the fourteen usual capabilities, another user only their bound", () => {
  expect(config().process.capabilities["effective"]).toHaveLength(14);
  const { capabilities } = config({}, host, { ...root, uid: 1000 }).process;
  expect(capabilities["effective"]).toEqual([]);
  expect(capabilities["bounding"]).toHaveLength(14);
});

test("own process and mount namespaces, the Machine's network, name and memory", () => {
  expect(config().linux.namespaces).toEqual([
    { type: "pid" },
    { type: "mount" },
    { type: "cgroup" },
    { type: "network", path: "/run/netns/n" },
    { type: "uts", path: "/run/uts" },
    { type: "ipc", path: "/run/ipc" },
  ]);
});

describe("limits", () => {
  test("are the smaller of the container's and the Machine's, without swap", () => {
    const { resources } = config({ cpuMillis: 250, memoryBytes: 64 * 1024 * 1024 }).linux;

    expect(resources.cpu).toEqual({ quota: 25_000, period: 100_000, shares: 256 });
    expect(resources.memory).toEqual({ limit: 67_108_864, swap: 67_108_864 });
    expect(config({ cpuMillis: 9_000 }).linux.resources.cpu?.quota).toBe(100_000);
    expect(config().linux.resources.memory?.limit).toBe(machine.memoryBytes);
  });

  test("of swap are left out where cgroups do not count it", () => {
    const facts = { ...host, countsSwap: false };

    expect(config({}, facts).linux.resources.memory).toEqual({ limit: machine.memoryBytes });
  });

  test("never exceed what the host allows: open files, OOM score", () => {
    expect(config().process.rlimits).toEqual([
      { type: "RLIMIT_NOFILE", soft: 20_000, hard: 20_000 },
    ]);
    expect(config({}, { ...host, oomScoreAdj: -500 }).process.oomScoreAdj).toBe(0);
    expect(config({ oomScoreAdj: 900 }).process.oomScoreAdj).toBe(900);
    const mighty = { ...host, capabilities: new Set(["CAP_SYS_RESOURCE"]) };
    expect(config({ oomScoreAdj: -997 }, mighty).process.oomScoreAdj).toBe(-997);
    const weak = { ...host, capabilities: new Set<string>(), oomScoreAdj: 200 };
    expect(config({ oomScoreAdj: -997 }, weak).process.oomScoreAdj).toBe(200);
  });
});

describe("mounts", () => {
  test("of inner paths come after the outer ones that would hide them", () => {
    const { mounts } = config({
      mounts: [
        { volume: { ...volume("tokens"), kind: "files" }, path: "/data/tokens", readOnly: false },
        { volume: volume("data"), path: "/data", readOnly: false },
      ],
    });
    const places = mounts.map(({ destination }) => destination);

    expect(places.indexOf("/data")).toBeLessThan(places.indexOf("/data/tokens"));
    expect(mounts.find(({ destination }) => destination === "/data")).toEqual({
      destination: "/data",
      type: "bind",
      source: "/m/data",
      options: ["rbind", "rprivate", "rw"],
    });
    // Files belong to who delivers them, whatever the mount says.
    expect(mounts.find(({ destination }) => destination === "/data/tokens")?.options).toContain(
      "ro",
    );
  });

  test("of one's own take the place of what every container gets", () => {
    const shm = { volume: volume("shm"), path: "/dev/shm", readOnly: false };
    const { mounts } = config({ mounts: [shm], terminationMessagePath: "/dev/termination-log" });

    const sourcesAt = (path: string) =>
      mounts.filter(({ destination }) => destination === path).map(({ source }) => source);
    expect(sourcesAt("/dev/shm")).toEqual(["/m/tokens"]);
    expect(sourcesAt("/dev/termination-log")).toEqual(["/m/termination"]);
    expect(sourcesAt("/etc/hosts")).toEqual(["/m/hosts"]);
  });
});

describe("a security context", () => {
  test("takes and gives capabilities", () => {
    expect(bounding({ capabilities: { add: ["NET_ADMIN"], drop: ["ALL"] } })).toEqual([
      "CAP_NET_ADMIN",
    ]);
    expect(bounding({ capabilities: { add: ["CAP_SYS_TIME"], drop: ["chown"] } })).toHaveLength(14);
    expect(bounding({ capabilities: { add: ["ALL"], drop: ["SYS_ADMIN"] } })).toHaveLength(39);
    expect(bounding({ privileged: true })).toHaveLength(40);
  });

  test.each([
    ["FLYING", /unknown capability "FLYING"/],
    ["SYS_RESOURCE", /this host cannot give the capability CAP_SYS_RESOURCE/],
  ])("that adds %s is refused", (name, words) => {
    expect(() => secured({ capabilities: { add: [name], drop: [] } })).toThrow(words);
  });

  test("closes the root, the way to more rights, and most system calls", () => {
    const {
      root: ownRoot,
      process,
      linux,
    } = secured({
      readOnlyRootFilesystem: true,
      noNewPrivileges: true,
      seccomp: "default",
    });

    expect(ownRoot).toEqual({ path: "/m/root", readonly: true });
    expect(process.noNewPrivileges).toBe(true);
    const names = linux.seccomp?.syscalls?.flatMap((rule) => rule.names);
    expect(names).toContain("execve");
    expect(names).not.toContain("mount");
    expect(config().linux.seccomp).toBeUndefined();
    const strange = { ...host, architecture: "m68k" };
    expect(() => config({ security: { seccomp: "default" } }, strange)).toThrow(
      "no default seccomp profile for m68k",
    );
  });

  test("that is privileged masks nothing and has the harmless devices of the host", () => {
    const { linux, mounts } = secured({ privileged: true, seccomp: "default" });

    expect([linux.maskedPaths, linux.readonlyPaths, linux.seccomp]).toEqual([[], [], undefined]);
    expect(linux.devices?.map(({ path }) => path)).toEqual(["/dev/net/tun"]);
    expect(linux.resources.devices).toEqual([
      { allow: false, access: "rwm" },
      { allow: true, access: "rwm", type: "c", major: 10, minor: 200 },
    ]);
    expect(mounts.find(({ destination }) => destination === "/sys")?.options).toContain("rw");
  });

  test("may unmask /proc alone", () => {
    const { linux, process } = secured({ unmaskedProc: true });

    expect([linux.maskedPaths, linux.readonlyPaths]).toEqual([[], []]);
    expect(process.capabilities["bounding"]).toHaveLength(14);
  });
});
