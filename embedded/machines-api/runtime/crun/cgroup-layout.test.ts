import { expect, test } from "bun:test";
import { type CgroupLayout, cgroupLayoutFor, ociRuntimesFor } from "./cgroup-layout.ts";

const TMPFS = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755";
const CPU = "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct";
const MEMORY = "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory";
const UNIFIED = "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw";
const PURE = "41 31 0:38 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw,nsdelegate";

const HOSTS: [CgroupLayout["mode"], string[], string[]][] = [
  ["v2", [PURE], ["crun", "runc"]],
  ["v1", [TMPFS, CPU, MEMORY], ["crun", "runc"]],
  ["hybrid", [TMPFS, CPU, MEMORY, UNIFIED], ["runc"]],
];

test.each(HOSTS)("a host with cgroups of kind %s", (mode, lines, runtimes) => {
  const layout = cgroupLayoutFor(lines.join("\n"));

  expect(layout.mode).toBe(mode);
  expect([...ociRuntimesFor(layout)]).toEqual(runtimes);
});

test("controllers that share a hierarchy are told apart", () => {
  expect(cgroupLayoutFor(CPU).hierarchies).toEqual([
    { path: "/sys/fs/cgroup/cpu,cpuacct", version: 1, controllers: ["cpu", "cpuacct"] },
  ]);
});
