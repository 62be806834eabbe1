import { beforeEach, describe, expect, test } from "bun:test";
import { FksError } from "#core/errors.ts";
import type { PersistentVolumeClaim } from "#core/kube/persistent-volume.ts";
import type { Volumes } from "#core/ports/volumes.ts";
import { fakeClock } from "#test/fakes/clock.ts";
import { memoryLog } from "#test/fakes/log.ts";
import { type MemoryWorld, memoryWorld } from "#test/fakes/machines.ts";
import {
  type MemoryVolumeObjects,
  memoryVolumeObjects,
} from "#test/fakes/memory-volume-objects.ts";
import { aClaim, aStorageClass } from "#test/fixtures/claims.ts";
import { CLAIM_FINALIZER, volumeNameFor } from "./names.ts";
import { claimKey, volumeKey, volumeReconciler } from "./volume-reconciler.ts";

const APP = "fks-shop";
const CLUSTER = "cluster-1";
const KEY = claimKey("shop/data");
const forever = new AbortController().signal;

let world: MemoryWorld;
let objects: MemoryVolumeObjects;
let told: string[];

beforeEach(() => {
  world = memoryWorld({ clock: fakeClock(), apps: [APP] });
  objects = memoryVolumeObjects({ ams: "ams", fra: "fra" });
  objects.putClass(aStorageClass());
  told = [];
});

/** One process; `volumes` may fail. */
function reconciler(volumes: Volumes = world.volumes) {
  const namespaces = {
    read: async () => ({ metadata: { uid: CLUSTER } }),
  };
  return volumeReconciler({
    objects,
    volumes,
    namespaceApps: { ensure: async () => APP, find: async () => APP, forget: () => {} },
    // Only the cluster's UID is asked for.
    namespaces: Object(namespaces),
    clusterUid: CLUSTER,
    events: {
      tell: async (_about, { reason, message }) => void told.push(`${reason}: ${message}`),
    },
    log: memoryLog(),
  });
}

async function settle(reconcile = reconciler()): Promise<void> {
  for (let turn = 0; turn < 6; turn += 1) {
    await reconcile(KEY, forever);
    for (const { metadata } of objects.volumes())
      await reconcile(volumeKey(metadata.name), forever);
  }
}

const current = (): PersistentVolumeClaim | undefined => objects.claim("shop/data");
const shown = () => objects.volumes()[0];

/** What Kubernetes' own controller does. */
function bind(): void {
  const [claim, volume] = [current(), shown()];
  if (claim === undefined || volume === undefined) throw new Error("nothing to bind");
  const { storage } = volume.spec;
  objects.putClaim({
    ...claim,
    spec: { ...claim.spec, volumeName: volume.metadata.name },
    status: { ...claim.status, phase: "Bound", storage },
  });
  objects.putVolume({ ...volume, status: { phase: "Bound" } });
}

function release(): void {
  const [claim, volume] = [current(), shown()];
  if (claim === undefined || volume === undefined) throw new Error("nothing to release");
  objects.dropClaim(claim);
  objects.putVolume({ ...volume, status: { phase: "Released" } });
}

describe("a claim", () => {
  test("gets one Fly volume and an object that shows it as FKS does", async () => {
    objects.putClaim(aClaim());
    await settle();
    expect(world.volumes.all()).toMatchObject([
      { name: volumeNameFor(CLUSTER, "claim-1"), region: "ams", size_gb: 1 },
    ]);
    const id = world.volumes.all()[0]?.id ?? "";
    expect(shown()).toMatchObject({
      metadata: {
        name: id.replace("vol_", "pvc-"),
        labels: { region: "ams" },
        annotations: {
          "fly.io/app": APP,
          "fly.io/region": "ams",
          "volume.fly.io/id": id,
          "pv.kubernetes.io/provisioned-by": "volume.csi.fly.io",
        },
      },
      spec: {
        storage: "1Gi",
        reclaimPolicy: "Delete",
        claimRef: { namespace: "shop", name: "data", uid: "claim-1" },
        csi: { driver: "volume.csi.fly.io", volumeHandle: id },
        nodeSelectorTerms: [
          { matchExpressions: [{ key: "topology.kubernetes.io/region", values: ["ams"] }] },
        ],
      },
    });
    expect(current()?.metadata.finalizers).toEqual([]);
    expect(told).toEqual([
      `ProvisioningSucceeded: Successfully provisioned volume ${id.replace("vol_", "pvc-")}`,
    ]);
  });

  test("gets one whichever call was obeyed and never answered", async () => {
    objects.putClaim(aClaim());
    let lost = 0;
    const lossy: Volumes = {
      ...world.volumes,
      async create(...call) {
        await world.volumes.create(...call);
        lost += 1;
        throw new FksError("Unavailable", "the answer was lost");
      },
    };
    const obeying = objects;
    objects = {
      ...obeying,
      async createVolume(...call) {
        await obeying.createVolume(...call);
        lost += 1;
        if (lost < 4) throw new FksError("Unavailable", "the answer was lost");
      },
    };
    const reconcile = reconciler(lossy);
    for (let turn = 0; turn < 8; turn += 1) await reconcile(KEY, forever).catch(() => {});
    expect(world.volumes.all()).toHaveLength(1);
    expect(objects.volumes()).toHaveLength(1);
    expect(told).toContain("ProvisioningFailed: the answer was lost");
  });

  test("that is deleted while its volume is made leaves nothing", async () => {
    objects.putClaim(aClaim());
    const reconcile = reconciler({
      ...world.volumes,
      async create(...call) {
        await world.volumes.create(...call);
        throw new FksError("Unavailable", "the answer was lost");
      },
    });
    await reconcile(KEY, forever);
    expect(current()?.metadata.finalizers).toEqual([CLAIM_FINALIZER]);
    await reconcile(KEY, forever).catch(() => {});
    expect(world.volumes.all()).toHaveLength(1);

    const claim = current() ?? aClaim();
    const metadata = { ...claim.metadata, deletionTimestamp: "2026-01-01T00:00:00Z" };
    objects.putClaim({ ...claim, metadata });
    await settle(reconcile);
    expect(world.volumes.all()).toEqual([]);
    expect(current()?.metadata.finalizers).toEqual([]);
  });

  test("that no volume can be made for is told so once and again", async () => {
    objects.putClaim(aClaim({ spec: { accessModes: ["ReadWriteMany"] } }));
    expect(await reconciler()(KEY, forever)).toEqual({ recheckInMs: 60_000 });
    expect(told).toEqual([
      "ProvisioningFailed: ReadWriteMany: a Fly volume is one Machine's, ReadWriteOnce or ReadWriteOncePod.",
    ]);
    expect(world.volumes.all()).toEqual([]);
  });

  test("grows with its volume, also where the file system follows later", async () => {
    objects.putClaim(aClaim());
    await settle();
    bind();
    const claim = current() ?? aClaim();
    objects.putClaim({ ...claim, spec: { ...claim.spec, storage: "2Gi" } });
    let isMounted = true;
    const later: Volumes = {
      ...world.volumes,
      async get(...call) {
        const volume = await world.volumes.get(...call);
        return isMounted ? { ...volume, bytes_total: 2 ** 30 } : volume;
      },
    };
    await settle(reconciler(later));
    expect(world.volumes.all()).toMatchObject([{ size_gb: 2 }]);
    expect(shown()?.spec.storage).toBe("2Gi");
    expect(current()?.status).toMatchObject({
      storage: "1Gi",
      conditions: [{ type: "FileSystemResizePending", status: "True" }],
    });

    isMounted = false;
    await settle(reconciler(later));
    expect(current()?.status).toMatchObject({ storage: "2Gi", conditions: [] });
    expect(told).toContain("VolumeResizeSuccessful: The volume has 2Gi now");
  });
});

describe("a volume whose claim is gone", () => {
  test("is destroyed with its data once no Machine has it", async () => {
    objects.putClaim(aClaim());
    await settle();
    bind();
    const volume = world.volumes.all()[0]?.id ?? "";
    const config = { image: "web:1", mounts: [{ volume, path: "/data" }] };
    const machine = await world.machines.create(
      APP,
      { name: "web", region: "ams", config },
      forever,
    );
    release();
    await settle();
    expect(world.volumes.all()).toHaveLength(1);
    expect(objects.volumes()).toHaveLength(1);

    world.destroy(machine.id);
    await settle();
    expect(world.volumes.all()).toEqual([]);
    expect(objects.volumes()).toEqual([]);
  });

  test("is kept when its class says so", async () => {
    objects.putClass(aStorageClass({ reclaimPolicy: "Retain" }));
    objects.putClaim(aClaim());
    await settle();
    bind();
    release();
    await settle();
    expect(world.volumes.all()).toHaveLength(1);
    expect(objects.volumes()).toHaveLength(1);
  });

  test("is kept while the API server still has the claim, whatever a watch says", async () => {
    objects.putClaim(aClaim());
    await settle();
    bind();
    const claim = current() ?? aClaim();
    release();
    objects.putClaim(claim);
    await reconciler()(volumeKey(shown()?.metadata.name ?? ""), forever);
    expect(world.volumes.all()).toHaveLength(1);
  });
});
