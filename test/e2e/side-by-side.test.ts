import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { EngineName } from "#embedded/control-plane/engine.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import { ENGINE_NAME } from "./engine.ts";
import { loadImages, WEB_IMAGE } from "./images.ts";
import { isRunning, pageOf, podOf, podWhen } from "./objects.ts";
import { succeed } from "./process.ts";

/** Everything of these networks that a host could be left with. */
async function traces(ids: readonly string[]): Promise<readonly string[]> {
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
  const all = [...links.split("\n"), ...netns.split("\n"), ...mounts, ...cgroups];
  return all.filter((line) => ids.some((id) => line.includes(id)));
}

/** Both clusters; when one of them cannot be started the other one is closed. */
async function both(...starting: readonly [Promise<Cluster>, Promise<Cluster>]) {
  try {
    return await Promise.all(starting);
  } catch (error) {
    for (const start of starting)
      await start.then(
        (cluster) => cluster.close(),
        () => {},
      );
    throw error;
  }
}

/** What runs beside what: each engine beside itself, and K3s beside the other one. */
const PAIRS: Readonly<Record<EngineName, readonly (readonly [EngineName, EngineName])[]>> = {
  k3s: [
    ["k3s", "k3s"],
    ["k3s", "upstream"],
  ],
  upstream: [["upstream", "upstream"]],
};

test.each(PAIRS[ENGINE_NAME])(
  "two instances run side by side, %s and %s, each with its own Pods, and leave nothing behind",
  async (first, second) => {
    const [one, two] = await both(
      startCluster(["--name", "one"], { engine: first }),
      startCluster(["--name", "two"], { engine: second }),
    );
    const ids = [one, two].map(({ dataDir }): string => {
      const { networkId } = JSON.parse(readFileSync(join(dataDir, "cluster.json"), "utf8"));
      return networkId;
    });
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
        expect(await pageOf(address)).toBe(`${WEB_IMAGE}\n`);
      }
      expect((await traces(ids)).length).toBeGreaterThan(4);
      await two.stop();
      expect((await fetch(`http://[${addresses[0]}]:8080/`)).status).toBe(200);
      expect(await one.kubectl(["exec", "web", "--", "echo", "alive"])).toBe("alive\n");
    } finally {
      await Promise.all([one.close(), two.close()]);
    }
    expect(await traces(ids)).toEqual([]);
  },
);
