import { describe, expect, test } from "bun:test";
import { aClaim, aStorageClass } from "#test/fixtures/claims.ts";
import { sizeGbFor, type VolumeOrder, volumeOrderFor } from "./order.ts";

const PLACE = { region: "ams", regions: ["ams", "fra"] };

function refusedBy(order: VolumeOrder): readonly string[] {
  return order.ok ? [] : order.reasons;
}

function regionOf(order: VolumeOrder): string | readonly string[] {
  return order.ok ? order.request.region : order.reasons;
}

test("sizes are whole GB, rounded up, at least one and at most what Fly has", () => {
  const cases = { "1Gi": 1, "1": 1, "10G": 10, "1025Mi": 2, "500Gi": 500 };
  for (const [storage, gb] of Object.entries(cases)) expect(sizeGbFor(storage)).toEqual({ gb });
  expect(sizeGbFor("501Gi")).toEqual({
    refused: ["A Fly volume has at most 500 GB; 501Gi are asked for."],
  });
});

describe("the region is", () => {
  test("that of the Node the scheduler chose", () => {
    expect(regionOf(volumeOrderFor(aClaim(), aStorageClass(), PLACE))).toBe("ams");
  });

  test("the one that the claim's selector names, as on FKS", () => {
    const selector = { matchLabels: { region: "fra" }, matchExpressions: [] };
    const claim = aClaim({ spec: { selector } });
    expect(regionOf(volumeOrderFor(claim, aStorageClass(), PLACE))).toBe("fra");
  });

  test("one that the class allows where nobody chose", () => {
    const matchLabelExpressions = [{ key: "topology.kubernetes.io/region", values: ["x", "fra"] }];
    const only = aStorageClass({ allowedTopologies: [{ matchLabelExpressions }] });
    const nowhere = { ...PLACE, region: undefined };
    expect(regionOf(volumeOrderFor(aClaim(), only, nowhere))).toBe("fra");
    expect(regionOf(volumeOrderFor(aClaim(), aStorageClass(), nowhere))).toBe("ams");
    expect(regionOf(volumeOrderFor(aClaim(), only, PLACE))).toEqual([
      'The class allows no volume in region "ams".',
    ]);
  });

  test("never one without a Node", () => {
    const selector = { matchLabels: { region: "syd" }, matchExpressions: [] };
    expect(
      regionOf(volumeOrderFor(aClaim({ spec: { selector } }), aStorageClass(), PLACE)),
    ).toEqual(['There is no Node in region "syd"; there are Nodes in ams, fra.']);
  });
});

test("a class may say what Fly knows", () => {
  const parameters = {
    encrypted: "false",
    snapshot_retention: "7",
    auto_backup_enabled: "false",
    "csi.storage.k8s.io/fstype": "ext4",
  };
  const order = volumeOrderFor(aClaim(), aStorageClass({ parameters }), PLACE);
  expect(order).toEqual({
    ok: true,
    request: {
      region: "ams",
      size_gb: 1,
      encrypted: false,
      snapshot_retention: 7,
      auto_backup_enabled: false,
    },
  });
});

test("what no Fly volume has is refused, all of it by name", () => {
  const claim = aClaim({
    spec: {
      accessModes: ["ReadWriteMany", "ReadOnlyMany"],
      volumeMode: "Block",
      selector: { matchLabels: { disk: "fast" }, matchExpressions: [] },
      hasSource: true,
      storage: "1Ti",
    },
  });
  const parameters = { fstype: "xfs", iops: "3000", snapshot_retention: "90" };
  const storageClass = aStorageClass({ parameters, mountOptions: ["noatime"] });
  expect(refusedBy(volumeOrderFor(claim, storageClass, PLACE))).toEqual([
    "ReadWriteMany: a Fly volume is one Machine's, ReadWriteOnce or ReadWriteOncePod.",
    "ReadOnlyMany: a Fly volume is one Machine's, ReadWriteOnce or ReadWriteOncePod.",
    "A Fly volume is a file system, not a block device.",
    'The selector of a claim may only say the label "region".',
    "A claim cannot start with the data of something else.",
    "Mount options are not carried.",
    "A Fly volume has at most 500 GB; 1Ti are asked for.",
    'The class says fstype: "xfs", which no Fly volume has.',
    'The class says iops: "3000", which no Fly volume has.',
    'The class says snapshot_retention: "90", which no Fly volume has.',
  ]);
});
