import { expect, test } from "bun:test";
import { podWorld } from "#test/fakes/pod-world.ts";
import { aClaim, aPersistentVolume } from "#test/fixtures/claims.ts";
import { aPod } from "#test/fixtures/pod.ts";
import { appNameFor } from "../app/app-name.ts";

const never = new AbortController().signal;

test("a Pod waits for its claim, then its Machine has the claim's volume", async () => {
  const { world, cluster, start, stop, pass } = podWorld();
  start();
  const pod = aPod({
    volumes: [{ name: "data", persistentVolumeClaim: { claimName: "data" } }],
    containers: [{ volumeMounts: [{ name: "data", mountPath: "/data" }] }],
  });
  const claim = aClaim({ metadata: { name: "data", namespace: "default", uid: "claim-1" } });
  cluster.setClaim(claim);
  cluster.create(pod);
  await pass(1_000, 4);
  expect(world.all()).toEqual([]);
  expect(cluster.told().map(({ reason }) => reason)).toEqual(["FailedMount"]);
  expect(cluster.find("default", "web")?.status?.phase).toBe("Pending");

  const namespace = await cluster.namespaces.read("default", never);
  const app = appNameFor(namespace.metadata, "cluster-1");
  await world.apps.create(app, never);
  const { id } = await world.volumes.create(
    app,
    { name: "data", region: "local-a", size_gb: 1 },
    never,
  );
  const volume = aPersistentVolume({
    metadata: { name: "pvc-a", uid: "volume-1", annotations: { "fly.io/region": "local-a" } },
    spec: { csi: { driver: "volume.csi.fly.io", volumeHandle: id, readOnly: false } },
  });
  cluster.setVolume(volume);
  cluster.setClaim({
    ...claim,
    spec: { ...claim.spec, volumeName: "pvc-a" },
    status: { ...claim.status, phase: "Bound" },
  });
  await pass(1_000, 12);
  expect(world.all().map(({ machine }) => machine.config?.mounts)).toEqual([
    [{ volume: id, name: "data", path: "/data" }],
  ]);
  expect((await world.volumes.get(app, id, never)).attached_machine_id).toBeDefined();
  await stop();
});
