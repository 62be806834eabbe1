import { describe, expect, test } from "bun:test";
import type { Pod } from "#core/kube/pod.ts";
import { fakeClock } from "#test/fakes/clock.ts";
import { memoryCluster } from "#test/fakes/memory-cluster.ts";
import { aClaim, aPersistentVolume } from "#test/fixtures/claims.ts";
import { type ClaimResolution, claimResolver } from "./claim-resolver.ts";
import { claimFindings, machineMountsFor, withClaimedVolumes } from "./claims.ts";

const forever = new AbortController().signal;

function podWith(
  volumes: Pod["spec"]["volumes"] & {},
  mounts: Readonly<Record<string, readonly (readonly [string, string])[]>> = {
    app: [["data", "/data"]],
  },
): Pod {
  return {
    metadata: { name: "web", namespace: "shop", uid: "pod-1" },
    spec: {
      nodeName: "ams",
      volumes,
      containers: Object.entries(mounts).map(([name, list]) => ({
        name,
        image: "web:1",
        volumeMounts: list.map(([volume, mountPath]) => ({ name: volume, mountPath })),
      })),
    },
  };
}

const DATA = { name: "data", persistentVolumeClaim: { claimName: "data" } };
const bound = aClaim({ spec: { volumeName: "pvc-a" }, status: { phase: "Bound" } });

async function resolved(
  pod: Pod,
  claim = bound,
  volume: ReturnType<typeof aPersistentVolume> | undefined = aPersistentVolume(),
  region = "ams",
) {
  const world = memoryCluster({ clock: fakeClock() });
  world.setClaim(claim);
  if (volume !== undefined) world.setVolume(volume);
  return claimResolver(world.cluster)(pod, region, forever);
}

const around = (claim: string, why: string): ClaimResolution => ({
  ok: false,
  missing: `Unable to attach or mount volumes: unmounted volumes=[data], unattached volumes=[], failed to process volumes=[data]: error processing PVC shop/${claim}: ${why}`,
});

describe("the claims of a Pod", () => {
  test("are Fly volumes once they are bound", async () => {
    expect(await resolved(podWith([DATA]))).toEqual({
      ok: true,
      volumes: new Map([["data", "vol_a"]]),
    });
    expect(await resolved(podWith([]))).toEqual({ ok: true, volumes: new Map() });
  });

  test("are waited for in the kubelet's words", async () => {
    const missing = { ...DATA, persistentVolumeClaim: { claimName: "none" } };
    expect(await resolved(podWith([missing]))).toEqual(
      around(
        "none",
        'failed to fetch PVC from API server: persistentvolumeclaims "none" not found',
      ),
    );
    expect(await resolved(podWith([DATA]), aClaim())).toEqual(
      around("data", 'PVC has non-bound phase ("Pending") or empty pvc.Spec.VolumeName ("")'),
    );
    const deletionTimestamp = "2026-01-01T00:00:00Z";
    const going = { ...bound, metadata: { ...bound.metadata, deletionTimestamp } };
    expect(await resolved(podWith([DATA]), going)).toEqual(around("data", "PVC is being deleted"));
  });

  test("that another Pod's claim stands for are not taken: an ephemeral one is its own Pod's", async () => {
    const pod = podWith([{ name: "data", ephemeral: { volumeClaimTemplate: {} } }]);
    const metadata = { ...bound.metadata, name: "web-data" };
    expect(await resolved(pod, { ...bound, metadata })).toEqual(
      around("web-data", "PVC shop/web-data was not created for pod shop/web (pod is not owner)"),
    );
    const ownerReferences = [{ apiVersion: "v1", kind: "Pod", name: "web", uid: "pod-1" }];
    expect(
      await resolved(pod, { ...bound, metadata: { ...metadata, ownerReferences } }),
    ).toMatchObject({ ok: true });
  });

  test("are refused by name where their volume is not, or is none of Fly's", async () => {
    expect(await resolved(podWith([DATA]), bound, aPersistentVolume(), "fra")).toEqual(
      around(
        "data",
        'NodeAffinity check failed for volume "pvc-a" : no matching NodeSelectorTerms: the volume is in region ams, the Node in fra',
      ),
    );
    const csi = { driver: "other", volumeHandle: "x", readOnly: false };
    expect(await resolved(podWith([DATA]), bound, aPersistentVolume({ spec: { csi } }))).toEqual(
      around("data", "PV pvc-a is no Fly volume: only the driver volume.csi.fly.io is carried"),
    );
    const claimRef = { namespace: "shop", name: "data", uid: "another" };
    expect(
      await resolved(podWith([DATA]), bound, aPersistentVolume({ spec: { claimRef } })),
    ).toEqual(around("data", "PV pvc-a is not this claim's"));
  });
});

describe("the Machine's mounts", () => {
  const LOGS = { name: "logs", persistentVolumeClaim: { claimName: "logs" } };

  test("have a path each, also for what no container shows or two show at the same", () => {
    const pod = podWith(
      [DATA, LOGS, { name: "idle", ephemeral: {} }, { name: "tmp", emptyDir: {} }],
      {
        app: [["data", "/data"]],
        log: [["logs", "/data"]],
      },
    );
    expect(machineMountsFor(pod, true)).toEqual([
      { name: "data", path: "/data" },
      { name: "logs", path: "/mnt/logs" },
      { name: "idle", path: "/mnt/idle" },
    ]);
  });

  test("get their volumes when the Machine is made; a name means something else on Fly", () => {
    const config = { mounts: [{ name: "data", path: "/data" }] };
    const volumes = new Map([["data", "vol_a"]]);
    expect(withClaimedVolumes(config, volumes, true).mounts).toEqual([
      { name: "data", volume: "vol_a", path: "/data" },
    ]);
    expect(withClaimedVolumes(config, volumes, false).mounts).toEqual([
      { volume: "vol_a", path: "/data" },
    ]);
  });

  test("on Fly are one, at one path, for all containers, and what cannot be is said", () => {
    const one = podWith([DATA], { app: [["data", "/data"]], sidecar: [] });
    expect(claimFindings(one)).toEqual({
      refused: [],
      approximated: [{ field: "spec.volumes", sentence: '"data" is seen by sidecar too.' }],
    });
    const two = podWith([DATA, LOGS], {
      app: [
        ["data", "/data"],
        ["logs", "/logs"],
      ],
    });
    expect(claimFindings(two).refused).toEqual([
      {
        field: "spec.volumes",
        sentence: 'Fly gives a Machine one volume; "data", "logs" are claims.',
      },
    ]);
    const apart = podWith([DATA], { app: [["data", "/data"]], other: [["data", "/other"]] });
    expect(claimFindings(apart).refused).toEqual([
      {
        field: "spec.volumes",
        sentence: 'Every container of a Machine sees "data" at one path, not at /data and /other.',
      },
    ]);
  });
});
