import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { startCluster } from "./cluster.ts";
import { loadImages, WEB_IMAGE } from "./images.ts";
import { isRunning, podOf, podWhen } from "./objects.ts";
import { succeed } from "./process.ts";

/** Everything of ours that a host could be left with. */
async function traces(): Promise<readonly string[]> {
  const links = await succeed(["ip", "-o", "link"]);
  const netns = await succeed(["ip", "netns", "list"]);
  const mounts = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  const cgroups = ["/sys/fs/cgroup", "/sys/fs/cgroup/memory", "/sys/fs/cgroup/unified"].flatMap(
    (root) => {
      try {
        return readdirSync(root).filter((name) => name.startsWith("fks-"));
      } catch {
        return [];
      }
    },
  );
  return [
    ...links.split("\n").filter((line) => / fks/.test(line)),
    ...netns.split("\n").filter((line) => line.startsWith("fks-")),
    ...mounts.filter((line) => line.includes("fks-e2e-") || line.includes("/run/fks-")),
    ...cgroups,
  ];
}

test("two instances run side by side, each with its own Pods, and leave nothing behind", async () => {
  const before = await traces();
  const [one, two] = await Promise.all([
    startCluster(["--name", "one"]),
    startCluster(["--name", "two"]),
  ]);
  try {
    await Promise.all([loadImages(one), loadImages(two)]);
    await Promise.all([one.apply(podOf("web")), two.apply(podOf("web"))]);
    const pods = await Promise.all([
      podWhen(one, "web", isRunning, 60_000),
      podWhen(two, "web", isRunning, 60_000),
    ]);
    const addresses = pods.map(({ status }) => status?.podIP);
    expect(new Set(addresses).size).toBe(2);
    for (const address of addresses) {
      const answer = await fetch(`http://[${address}]:8080/`);
      expect(await answer.text()).toBe(`${WEB_IMAGE}\n`);
    }
    await two.stop();
    expect((await fetch(`http://[${addresses[0]}]:8080/`)).status).toBe(200);
    expect(await one.kubectl(["exec", "web", "--", "echo", "alive"])).toBe("alive\n");
  } finally {
    await Promise.all([one.close(), two.close()]);
  }
  expect(await traces()).toEqual([...before]);
}, 300_000);
