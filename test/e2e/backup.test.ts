/** A cluster's state brought back while its Pods run, into its own directory and into another one. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { copyFileSync, existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Cluster, EXECUTABLE, startCluster } from "./cluster.ts";
import { ENGINE_NAME } from "./engine.ts";
import { loadImages } from "./images.ts";
import { containerPids, isRunning, lifeOf, pageOf, podGone, podOf, podWhen } from "./objects.ts";
import { eventually, run } from "./process.ts";

describe("backup and restore", () => {
  let cluster: Cluster;
  let archive: string;
  let oldKubeconfig: string;

  beforeAll(async () => {
    cluster = await startCluster();
    archive = join(cluster.dataDir, "../cluster.tar");
    oldKubeconfig = join(cluster.dataDir, "../kubeconfig-before");
    await loadImages(cluster);
    await cluster.apply(podOf("keeper"), podOf("leaver"));
    for (const name of ["keeper", "leaver"]) await podWhen(cluster, name, isRunning);
    await cluster.kubectl(["create", "configmap", "early", "--from-literal=a=1"]);
    copyFileSync(join(cluster.dataDir, "kubeconfig"), oldKubeconfig);
  });
  afterAll(() => cluster.close());

  test("what was there when a running cluster was backed up is back, what came later is gone, Pods of both run on", async () => {
    expect(await cluster.fks(["backup", archive])).toMatchObject({ exitCode: 0 });
    await cluster.kubectl(["delete", "configmap", "early"]);
    await cluster.kubectl(["delete", "pod", "leaver"]);
    await cluster.apply(podOf("late"));
    const late = await podWhen(cluster, "late", isRunning);
    expect(await pageOf(late.status?.podIP)).toContain("web");
    const keeper = lifeOf(await podWhen(cluster, "keeper", isRunning));

    const busy = await cluster.fks(["restore", archive, "--yes"]);
    expect(busy).toMatchObject({ exitCode: 4 });
    await cluster.stop();
    const careful = await cluster.fks(["restore", archive]);
    expect(careful).toMatchObject({ exitCode: 2 });
    expect(careful.stderr).toContain("--yes");
    expect(await cluster.fks(["restore", archive, "--yes"])).toMatchObject({ exitCode: 0 });
    await cluster.start();

    expect(await cluster.kubectl(["get", "configmap", "early", "-o", "name"])).toBe(
      "configmap/early\n",
    );
    await podGone(cluster, "late");
    await eventually(
      "its Machine is swept",
      async () => {
        const answer = await fetch(`http://[${late.status?.podIP}]:8080/`, {
          signal: AbortSignal.timeout(1_000),
        }).catch(() => undefined);
        return answer === undefined ? true : undefined;
      },
      { timeoutMs: 150_000 },
    );
    expect(lifeOf(await podWhen(cluster, "keeper", isRunning))).toEqual(keeper);
    await podWhen(cluster, "leaver", isRunning);
  });

  test("an empty directory becomes the same cluster: its kubeconfigs are good, its Pods run anew", async () => {
    await cluster.stop();
    expect(containerPids(cluster).length).toBeGreaterThan(0);
    expect(await cluster.fks(["reset", "--yes"])).toMatchObject({ exitCode: 0 });
    expect(readdirSync(cluster.dataDir)).toEqual([]);
    expect(await cluster.fks(["restore", archive])).toMatchObject({ exitCode: 0 });
    cluster.launch();
    // Images are no part of a backup. The Machines API takes them before there is a Pod.
    await eventually("images are loaded", async () =>
      loadImages(cluster).then(() => true as const),
    );
    await cluster.ready();

    const env = { KUBECONFIG: oldKubeconfig };
    expect(await cluster.kubectl(["get", "configmap", "early", "-o", "name"], { env })).toBe(
      "configmap/early\n",
    );
    await podWhen(cluster, "keeper", isRunning, 60_000);
  });

  // The other engine's keys are many files; without them nothing can be put together.
  const ofK3s = ENGINE_NAME === "k3s" ? test : () => {};
  ofK3s("K3s' token is wanted where it is not in the backup, and only the right one", async () => {
    const bare = join(cluster.dataDir, "../without-keys.tar");
    const token = join(cluster.dataDir, "../token");
    copyFileSync(join(cluster.dataDir, "tokens/k3s"), token);
    expect(await cluster.fks(["backup", "--without-keys", bare])).toMatchObject({ exitCode: 0 });
    const elsewhere = join(cluster.dataDir, "../elsewhere");
    const restore = (...args: readonly string[]) =>
      run([EXECUTABLE, "restore", bare, "--data-dir", elsewhere, ...args], { env: cluster.env });

    expect(await restore()).toMatchObject({ exitCode: 5 });
    const other = join(cluster.dataDir, "../other-token");
    writeFileSync(other, "0123456789abcdef");
    const wrong = await restore("--token-file", other);
    expect(wrong).toMatchObject({
      exitCode: 5,
      stderr: `fks-node: the token in ${other} is not the one ${bare} was made with\n`,
    });
    expect(existsSync(join(elsewhere, "k3s"))).toBe(false);
    expect(await restore("--token-file", token)).toMatchObject({ exitCode: 0 });
    rmSync(elsewhere, { recursive: true });
  });
});
