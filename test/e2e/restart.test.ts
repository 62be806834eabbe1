import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Pod } from "#core/kube/pod.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import { API_PART, CONTROL_PLANE_PARTS, ENGINE_NAME } from "./engine.ts";
import { loadImages } from "./images.ts";
import { deploymentOf, isRunning, lifeOf, podGone, podOf, podWhen } from "./objects.ts";
import { eventually, succeed } from "./process.ts";

interface PodList {
  readonly items: readonly Pod[];
}

const PODS = 50;

describe("death and return", () => {
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = await startCluster();
    await loadImages(cluster);
    await cluster.apply(deploymentOf("fleet", PODS));
    await cluster.kubectl(["rollout", "status", "deployment/fleet", "--timeout=180s"]);
  });
  afterAll(() => cluster.close());

  const lives = async (): Promise<readonly object[]> =>
    (await cluster.get<PodList>("pods", "-l", "app=fleet")).items.map(lifeOf);

  const allReady = async (): Promise<true | undefined> =>
    (await cluster.fks(["status"])).exitCode === 0 ? true : undefined;

  const workAgain = async (probe: string): Promise<void> => {
    await cluster.apply(podOf(probe));
    await podWhen(cluster, probe, isRunning, 60_000);
    await cluster.kubectl(["delete", "pod", probe, "--wait=false"]);
    await podGone(cluster, probe);
  };

  test.each([
    "kubelet",
    "machines-api",
    "cloud-controller",
    "dns",
    "proxy",
    ...CONTROL_PLANE_PARTS[ENGINE_NAME],
  ])(
    "kill -9 of %s changes nothing about Pods that run, and new ones come up afterwards",
    async (name) => {
      const before = await lives();
      const { pid = 0 } = await cluster.part(name);
      process.kill(pid, "SIGKILL");
      const isBack = async (): Promise<true | undefined> =>
        (await cluster.part(name)).pid === pid ? undefined : allReady();
      await eventually(`${name} is back`, isBack, { timeoutMs: 60_000 });
      await workAgain(`after-${name}`);
      expect(await lives()).toEqual([...before]);
    },
  );

  test("SIGTERM ends serve within fifteen seconds, Machines run on, and the next serve takes them over as they are", async () => {
    const before = await lives();
    const address = (await cluster.get<PodList>("pods", "-l", "app=fleet")).items[0]?.status?.podIP;

    expect(await cluster.stop()).toBeLessThan(15_000);
    expect((await fetch(`http://[${address}]:8080/`)).status).toBe(200);
    await cluster.start();

    await workAgain("after-stop");
    expect(await lives()).toEqual([...before]);
  });

  test("kill -9 of serve itself: its orphans are ended, its Machines adopted", async () => {
    const before = await lives();
    await cluster.kill();
    await cluster.start();

    await workAgain("after-kill");
    expect(await lives()).toEqual([...before]);
  });

  test("Pods deleted while fks-node was down take their Machines with them when it is back", async () => {
    await cluster.apply(podOf("leaver"));
    const pod = await podWhen(cluster, "leaver", isRunning);
    const { pid: kubelet = 0 } = await cluster.part("kubelet");
    process.kill(kubelet, "SIGSTOP");
    await cluster.kubectl(["delete", "pod", "leaver", "--force", "--grace-period=0"]);
    process.kill(kubelet, "SIGKILL");

    await eventually(
      "its Machine is gone",
      async () => {
        const answer = await fetch(`http://[${pod.status?.podIP}]:8080/`, {
          signal: AbortSignal.timeout(1_000),
        }).catch(() => undefined);
        return answer === undefined ? true : undefined;
      },
      { timeoutMs: 150_000 },
    );
  });

  test("an API server that is away for a minute costs no Pod its Ready condition", async () => {
    const before = await lives();
    const { restarts } = await cluster.part(API_PART[ENGINE_NAME]);
    const server = new URL(await cluster.server());
    const away = `ip6 daddr ${server.hostname.slice(1, -1)} tcp dport ${server.port} drop`;
    // Nobody reaches it; `serve` takes it for dead after a minute and starts it again, in vain.
    await succeed(["nft", "-f", "-"], {
      stdin: `table inet fks_test { chain away { type filter hook output priority 0; ${away}; }; }\n`,
    });
    const isGivenUp = async (): Promise<true | undefined> =>
      (await cluster.part(API_PART[ENGINE_NAME])).restarts > restarts ? true : undefined;
    await eventually("serve starts it again", isGivenUp, { timeoutMs: 90_000 });
    await succeed(["nft", "delete", "table", "inet", "fks_test"]);
    await eventually("all is ready", allReady, { timeoutMs: 60_000 });
    await workAgain("after-silence");
    expect(await lives()).toEqual([...before]);
  });
});
