import { describe, expect, test } from "bun:test";
import { networkPlanFor } from "#core/fly/network.ts";
import type { ContainerSpec, VolumeSpec } from "../runtime.ts";
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
  volumes: { data: "/m/volumes/data", tokens: "/run/tokens" },
  namespaces: { network: "/run/netns/n", uts: "/run/uts", ipc: "/run/ipc" },
  cgroup: "/fks-0a1b2c3d/1/app.0",
};
const root = { uid: 0, gid: 0, additionalGids: [], home: "/root" };
const host = { openFilesMax: 20_000, oomScoreAdj: 0, countsSwap: true };

function volume(name: string): VolumeSpec {
  return { name, kind: "disk", sizeMb: undefined, files: [] };
}

function config(changes: Partial<ContainerSpec> = {}, facts = host, user = root) {
  const container = { ...containerSpec({ imageRoot: "/i" }, machine, ["run", "-x"]), ...changes };
  return ociConfigFor({ machine, container, user, paths, host: facts });
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
  });
});

test("inner mounts come after the outer ones that would hide them", () => {
  const { mounts } = config({
    mounts: [
      { volume: volume("tokens"), path: "/data/tokens", readOnly: true },
      { volume: volume("data"), path: "/data", readOnly: false },
    ],
  });

  expect(mounts.slice(-2)).toEqual([
    {
      destination: "/data",
      type: "bind",
      source: "/m/volumes/data",
      options: ["rbind", "rprivate", "rw"],
    },
    {
      destination: "/data/tokens",
      type: "bind",
      source: "/run/tokens",
      options: ["rbind", "rprivate", "ro"],
    },
  ]);
});
