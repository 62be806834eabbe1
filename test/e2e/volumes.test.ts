import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Pod } from "#core/kube/pod.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import { loadImages } from "./images.ts";
import {
  containerPids,
  eventReasons,
  isRunning,
  podGone,
  podOf,
  podWhen,
  workloadOf,
} from "./objects.ts";
import { loadPostgres, POSTGRES_IMAGE, POSTGRES_MISSING, POSTGRES_UID } from "./postgres-image.ts";
import { eventually } from "./process.ts";

interface Claim {
  readonly spec: { readonly volumeName?: string };
  readonly status?: {
    readonly phase?: string;
    readonly capacity?: { readonly storage?: string };
    readonly conditions?: readonly { readonly type: string }[];
  };
}

interface Volume {
  readonly metadata: {
    readonly name: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly annotations: Readonly<Record<string, string>>;
    readonly finalizers: readonly string[];
  };
  readonly spec: {
    readonly csi: {
      readonly driver: string;
      readonly volumeHandle: string;
      readonly fsType: string;
    };
    readonly persistentVolumeReclaimPolicy: string;
  };
  readonly status: { readonly phase: string };
}

const MOUNT = [{ name: "data", mountPath: "/data" }];

function claimOf(name: string, spec: object = {}): object {
  return {
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata: { name },
    spec: {
      accessModes: ["ReadWriteOnce"],
      resources: { requests: { storage: "1Gi" } },
      ...spec,
    },
  };
}

const claimed = (name: string, claim: string, options: { readonly spec?: object } = {}): object =>
  podOf(name, {
    container: { volumeMounts: MOUNT },
    spec: {
      ...options.spec,
      volumes: [{ name: "data", persistentVolumeClaim: { claimName: claim } }],
    },
  });

describe("volumes", () => {
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = await startCluster();
    await loadImages(cluster);
  });
  afterAll(async () => {
    const { dataDir } = cluster;
    await cluster.close();
    expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain(dataDir);
    expect(loopFiles().filter((file) => file.startsWith(dataDir))).toEqual([]);
  });

  const sh = (pod: string, script: string): Promise<string> =>
    cluster.kubectl(["exec", pod, "--", "sh", "-c", script]);
  const sql = (query: string): Promise<string> =>
    sh("db-0", `psql -h /tmp -U postgres -At -c "${query}"`);
  const volumeOf = async (claim: string): Promise<Volume> => {
    const { spec } = await cluster.get<Claim>("pvc", claim);
    return cluster.get<Volume>("pv", spec.volumeName ?? "none");
  };
  const folderOf = ({ spec }: Volume): string =>
    join(cluster.dataDir, "machines/volumes", spec.csi.volumeHandle);
  const isGone = (kind: string, name: string): Promise<true> =>
    eventually(`${kind} ${name} is gone`, async () => {
      const { exitCode, stderr } = await cluster.tryKubectl(["get", kind, name]);
      return exitCode !== 0 && stderr.includes("NotFound") ? true : undefined;
    });

  test("a claim waits for its first Pod, then is a Fly volume in the Pod's region, as on FKS", async () => {
    await cluster.apply(claimOf("first"));
    await cluster.apply(
      claimed("first", "first", {
        spec: { nodeSelector: { "topology.kubernetes.io/region": "local-b" } },
      }),
    );
    await podWhen(cluster, "first", isRunning);
    const volume = await volumeOf("first");
    const id = volume.spec.csi.volumeHandle;
    expect(volume).toMatchObject({
      metadata: {
        name: id.replace("vol_", "pvc-"),
        labels: { region: "local-b" },
        annotations: {
          "fly.io/region": "local-b",
          "volume.fly.io/id": id,
          "pv.kubernetes.io/provisioned-by": "volume.csi.fly.io",
        },
      },
      spec: {
        csi: { driver: "volume.csi.fly.io", fsType: "ext4" },
        persistentVolumeReclaimPolicy: "Delete",
      },
    });
    expect(volume.metadata.annotations["fly.io/app"]).toStartWith("fks-default-");
    expect(volume.metadata.finalizers).toContain("kubernetes.io/pv-protection");

    await cluster.kubectl(["delete", "pod", "first"]);
    await cluster.kubectl(["delete", "pvc", "first"]);
    await isGone("pv", volume.metadata.name);
    expect(existsSync(folderOf(volume))).toBe(false);
  });

  test.skipIf(POSTGRES_MISSING !== undefined)(
    `PostgreSQL's rows outlive its Pod, fks-node, and the death of everything (${POSTGRES_MISSING ?? "Debian's package"})`,
    async () => {
      await loadPostgres(cluster);
      await cluster.apply(databaseSet());
      await podWhen(cluster, "db-0", isRunning, 60_000);
      await sql("create table t as select i, md5(i::text) as sum from generate_series(1, 20000) i");
      const checksum = "select count(*), md5(string_agg(sum, '' order by i)) from t";
      const before = await sql(checksum);
      expect(before).toStartWith("20000|");
      const volume = await volumeOf("data-db-0");

      await cluster.kubectl(["delete", "pod", "db-0"]);
      await podWhen(cluster, "db-0", isRunning, 60_000);
      expect(await sql(checksum)).toBe(before);

      await cluster.stop();
      await cluster.start();
      expect(await sql(checksum)).toBe(before);
      await sql("insert into t select i, md5(i::text) from generate_series(20001, 30000) i");
      const more = await sql(checksum);

      await killEverything();
      await cluster.start();
      await eventually("PostgreSQL answers", () => sql(checksum), { timeoutMs: 60_000 });
      expect(await sql(checksum)).toBe(more);
      const { status } = await cluster.get<Pod>("pod", "db-0");
      expect(status?.containerStatuses?.[0]?.restartCount).toBe(1);
      expect((await volumeOf("data-db-0")).metadata.name).toBe(volume.metadata.name);
      await cluster.kubectl(["delete", "statefulset", "db"]);
    },
    200_000,
  );

  /** serve, its roles, the control plane, and every container. */
  async function killEverything(): Promise<void> {
    const { parts } = await cluster.status();
    const pids = [...parts.flatMap(({ pid }) => pid ?? []), ...containerPids(cluster)];
    await cluster.kill();
    for (const pid of pids) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It has followed another one already.
      }
    }
  }

  test("each Pod of a StatefulSet has a volume of its own and finds it again; they stay until their claims go", async () => {
    const container = { volumeMounts: MOUNT };
    const spec = {
      volumeClaimTemplates: [
        {
          metadata: { name: "data" },
          spec: { accessModes: ["ReadWriteOncePod"], resources: { requests: { storage: "1Gi" } } },
        },
      ],
    };
    await cluster.apply(workloadOf("StatefulSet", "own", { replicas: 2, container, spec }));
    for (const pod of ["own-0", "own-1"]) {
      await podWhen(cluster, pod, isRunning, 60_000);
      await sh(pod, `echo ${pod} > /data/name`);
    }
    await cluster.kubectl(["delete", "pod", "own-1", "--wait=false"]);
    await eventually("own-1 is another Pod", async () =>
      (await sh("own-1", "cat /data/name")) === "own-1\n" ? true : undefined,
    );
    const volumes = await Promise.all(["data-own-0", "data-own-1"].map(volumeOf));
    expect(new Set(volumes.map(({ metadata }) => metadata.name)).size).toBe(2);

    await cluster.kubectl(["delete", "statefulset", "own"]);
    for (const pod of ["own-0", "own-1"]) await podGone(cluster, pod);
    expect(volumes.map((one) => existsSync(folderOf(one)))).toEqual([true, true]);
    await cluster.kubectl(["delete", "pvc", "data-own-0", "data-own-1"]);
    for (const one of volumes) {
      await isGone("pv", one.metadata.name);
      expect(existsSync(folderOf(one))).toBe(false);
    }
  }, 120_000);

  test("a volume of the class that retains stays, and its data stay even without its object", async () => {
    await cluster.apply(claimOf("kept", { storageClassName: "flyio-volume-retain" }));
    await cluster.apply(claimed("keeper", "kept"));
    await podWhen(cluster, "keeper", isRunning);
    const volume = await volumeOf("kept");
    await cluster.kubectl(["delete", "pod", "keeper"]);
    await cluster.kubectl(["delete", "pvc", "kept"]);
    await eventually("the volume is released", async () => {
      const { status } = await cluster.get<Volume>("pv", volume.metadata.name);
      return status.phase === "Released" ? true : undefined;
    });
    await cluster.kubectl(["delete", "pv", volume.metadata.name]);
    expect(existsSync(folderOf(volume))).toBe(true);
  });

  test("a claim grows: online, or with the next start of its Pod", async () => {
    await cluster.apply(claimOf("growing"));
    await cluster.apply(claimed("grower", "growing"));
    await podWhen(cluster, "grower", isRunning);
    const sizeKb = async () => Number(await sh("grower", "df -Pk /data | awk 'NR==2{print $2}'"));
    expect(await sizeKb()).toBeLessThan(1024 ** 2);
    await sh("grower", "echo there > /data/hello");
    const requests = { requests: { storage: "2Gi" } };
    const patch = JSON.stringify({ spec: { resources: requests } });
    await cluster.kubectl(["patch", "pvc", "growing", "-p", patch]);
    const claim = await eventually("the claim shows what became of it", async () => {
      const now = await cluster.get<Claim>("pvc", "growing");
      const isPending = now.status?.conditions?.some(
        ({ type }) => type === "FileSystemResizePending",
      );
      return isPending === true || now.status?.capacity?.storage === "2Gi" ? now : undefined;
    });
    if (claim.status?.capacity?.storage !== "2Gi") {
      await cluster.kubectl(["delete", "pod", "grower"]);
      await cluster.apply(claimed("grower", "growing"));
      await podWhen(cluster, "grower", isRunning);
    }
    await eventually("the claim shows its size", async () => {
      const { status } = await cluster.get<Claim>("pvc", "growing");
      return status?.capacity?.storage === "2Gi" ? true : undefined;
    });
    expect(await sizeKb()).toBeGreaterThan(1.9 * 1024 ** 2);
    expect(await sh("grower", "cat /data/hello")).toBe("there\n");
  }, 60_000);

  test("a full volume is its Pod's own trouble", async () => {
    await cluster.apply(claimOf("full"), claimOf("other"));
    await cluster.apply(claimed("filler", "full"), claimed("neighbour", "other"));
    for (const pod of ["filler", "neighbour"]) await podWhen(cluster, pod, isRunning);
    const filled = await cluster.tryKubectl([
      "exec",
      "filler",
      "--",
      "dd",
      "if=/dev/zero",
      "of=/data/full",
      "bs=16M",
      "count=70",
    ]);
    expect(filled.stderr).toContain("No space left on device");
    await sh("neighbour", "echo fine > /data/x");
    await sh("filler", "rm /data/full && echo fine > /data/x");
    expect(isRunning(await podWhen(cluster, "filler", isRunning))).toBe(true);
  }, 60_000);

  test("one Pod has several claims, parts of one, one it cannot write to, and one of its own", async () => {
    await cluster.apply(claimOf("shared"), claimOf("seed"));
    const volumeMounts = [
      { name: "shared", mountPath: "/a", subPath: "a" },
      { name: "shared", mountPath: "/all" },
      { name: "seed", mountPath: "/seed" },
      { name: "own", mountPath: "/own" },
    ];
    const template = {
      spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } },
    };
    await cluster.apply(
      podOf("several", {
        container: { volumeMounts },
        spec: {
          securityContext: { runAsUser: 1000, runAsGroup: 1000, fsGroup: 2000 },
          volumes: [
            { name: "shared", persistentVolumeClaim: { claimName: "shared" } },
            { name: "seed", persistentVolumeClaim: { claimName: "seed", readOnly: true } },
            { name: "own", ephemeral: { volumeClaimTemplate: template } },
          ],
        },
      }),
    );
    await podWhen(cluster, "several", isRunning);
    await sh("several", "echo part > /a/x && echo mine > /own/x");
    expect(await sh("several", "cat /all/a/x; stat -c %g /all/a/x /own/x")).toBe(
      "part\n2000\n2000\n",
    );
    expect(
      (await cluster.tryKubectl(["exec", "several", "--", "touch", "/seed/x"])).stderr,
    ).toContain("Read-only file system");
    const own = await volumeOf("several-own");
    await cluster.kubectl(["delete", "pod", "several"]);
    await isGone("pv", own.metadata.name);
    expect(existsSync(folderOf(own))).toBe(false);
  }, 60_000);

  test("what no volume can be is said on the claim, and what a Pod waits for on the Pod", async () => {
    await cluster.apply(claimOf("many", { accessModes: ["ReadWriteMany"] }));
    await cluster.apply(claimed("hopeful", "many"));
    await eventually("the claim is refused", async () =>
      (await eventReasons(cluster, "many")).includes("ProvisioningFailed") ? true : undefined,
    );
    await cluster.apply(claimed("lost", "nowhere", { spec: { nodeName: "local-a" } }));
    await eventually("the Pod waits by name", async () =>
      (await eventReasons(cluster, "lost")).includes("FailedMount") ? true : undefined,
    );
    await cluster.kubectl(["delete", "pod", "hopeful", "lost", "--force", "--grace-period=0"]);
  });

  test("a volume that another Machine has is waited for", async () => {
    await cluster.apply(claimOf("single"));
    await cluster.apply(claimed("holder", "single"));
    const { spec } = await podWhen(cluster, "holder", isRunning);
    await cluster.apply(claimed("waiter", "single", { spec: { nodeName: spec.nodeName } }));
    await eventually("the Pod says who has it", async () =>
      (await eventReasons(cluster, "waiter")).includes("FailedAttachVolume") ? true : undefined,
    );
    await cluster.kubectl(["delete", "pod", "holder"]);
    await podWhen(cluster, "waiter", isRunning);
  }, 60_000);
});

function databaseSet(): object {
  const ready = { exec: { command: ["pg_isready", "-h", "/tmp"] }, periodSeconds: 1 };
  return workloadOf("StatefulSet", "db", {
    replicas: 1,
    container: {
      image: POSTGRES_IMAGE,
      volumeMounts: MOUNT,
      readinessProbe: ready,
      resources: { limits: { cpu: "1", memory: "256Mi" } },
    },
    pod: {
      securityContext: { runAsUser: POSTGRES_UID, runAsGroup: POSTGRES_UID, fsGroup: POSTGRES_UID },
    },
    spec: {
      volumeClaimTemplates: [
        {
          metadata: { name: "data" },
          spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } },
        },
      ],
    },
  });
}

/** The files that loop devices of this host show. */
function loopFiles(): readonly string[] {
  return readdirSync("/sys/block").flatMap((name) => {
    const file = `/sys/block/${name}/loop/backing_file`;
    return existsSync(file) ? [readFileSync(file, "utf8").trim()] : [];
  });
}
