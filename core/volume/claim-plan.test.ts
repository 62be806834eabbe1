import { describe, expect, test } from "bun:test";
import type { PersistentVolume } from "#core/kube/persistent-volume.ts";
import { aClaim, aPersistentVolume, aStorageClass } from "#test/fixtures/claims.ts";
import { type ClaimWorld, planClaim } from "./claim-plan.ts";
import { CLAIM_FINALIZER } from "./names.ts";
import { planVolume } from "./volume-plan.ts";

function world(parts: Partial<ClaimWorld> = {}): ClaimWorld {
  return {
    claim: aClaim(),
    storageClass: aStorageClass(),
    volume: undefined,
    selectedRegion: "ams",
    regions: ["ams"],
    ...parts,
  };
}

const HELD = { ...aClaim().metadata, finalizers: [CLAIM_FINALIZER] };
const held = aClaim({ metadata: HELD });
const going = { deletionTimestamp: "2026-01-01T00:00:00Z" };
const bound = (storage: string, shown: string) =>
  aClaim({ spec: { storage, volumeName: "pvc-a" }, status: { phase: "Bound", storage: shown } });

describe("a claim", () => {
  test("is held before its volume is made, and let go once the volume is known", () => {
    expect(planClaim(world())).toEqual({ do: "hold" });
    expect(planClaim(world({ claim: held }))).toMatchObject({
      do: "provision",
      request: { region: "ams", size_gb: 1 },
    });
    expect(planClaim(world({ claim: held, volume: aPersistentVolume() }))).toEqual({ do: "letGo" });
  });

  test.each([
    ["nobody asked us", { claim: aClaim({ metadata: { annotations: {} } }) }],
    ["its class is not there", { storageClass: undefined }],
    ["its class is another's", { storageClass: aStorageClass({ provisioner: "other" }) }],
    ["no Node was chosen", { selectedRegion: undefined }],
    ["it names its volume itself", { claim: aClaim({ spec: { volumeName: "mine" } }) }],
    ["its volume waits to be bound", { volume: aPersistentVolume() }],
    ["it is going and nothing was made", { claim: aClaim({ metadata: going }) }],
  ])("gets nothing while %s", (_why, parts) => {
    expect(planClaim(world(parts))).toEqual({ do: "nothing" });
  });

  test("needs no Node where the class does not wait", () => {
    const storageClass = aStorageClass({ volumeBindingMode: "Immediate" });
    expect(
      planClaim(world({ claim: held, selectedRegion: undefined, storageClass })),
    ).toMatchObject({ do: "provision", request: { region: "ams" } });
  });

  test("that no volume can be made for is told so", () => {
    const claim = aClaim({ spec: { accessModes: ["ReadWriteMany"] } });
    expect(planClaim(world({ claim }))).toMatchObject({
      do: "refuse",
      reason: "ProvisioningFailed",
    });
  });

  test("that goes while its volume is being made takes it along", () => {
    expect(planClaim(world({ claim: aClaim({ metadata: { ...HELD, ...going } }) }))).toEqual({
      do: "abandon",
    });
  });

  test("that asks for more gets it: the volume first, what it shows second", () => {
    const small = aPersistentVolume();
    const large = aPersistentVolume({ spec: { storage: "2Gi" } });
    expect(planClaim(world({ claim: bound("2Gi", "1Gi"), volume: small }))).toEqual({
      do: "extend",
      volume: small,
      sizeGb: 2,
    });
    expect(planClaim(world({ claim: bound("2Gi", "1Gi"), volume: large }))).toEqual({
      do: "resized",
      volume: large,
    });
    expect(planClaim(world({ claim: bound("2Gi", "2Gi"), volume: large }))).toEqual({
      do: "nothing",
    });
    expect(planClaim(world({ claim: bound("1Ti", "1Gi"), volume: small }))).toMatchObject({
      do: "refuse",
      reason: "VolumeResizeFailed",
    });
  });

  test("of another driver's volume is left alone", () => {
    const volume = aPersistentVolume({
      spec: { csi: { driver: "other", volumeHandle: "x", readOnly: false } },
    });
    expect(planClaim(world({ claim: bound("2Gi", "1Gi"), volume }))).toEqual({ do: "nothing" });
  });
});

describe("a volume", () => {
  const released = { phase: "Released" } as const;

  interface Parts {
    readonly metadata?: object;
    readonly status?: PersistentVolume["status"];
    readonly spec?: Partial<PersistentVolume["spec"]>;
  }

  test.each<[string, Parts, string]>([
    ["goes with its claim", { status: released }, "destroy"],
    ["goes when an earlier try failed", { status: { phase: "Failed" } }, "destroy"],
    ["goes also when somebody deleted it", { metadata: going, status: released }, "destroy"],
    ["stays while it is bound", { metadata: going }, "nothing"],
    [
      "stays when its class says so",
      { status: released, spec: { reclaimPolicy: "Retain" } },
      "nothing",
    ],
  ])("%s", (_what, parts, step) => {
    const metadata = { ...aPersistentVolume().metadata, ...parts.metadata };
    const { status = {}, spec = {} } = parts;
    expect<string>(planVolume(aPersistentVolume({ status, spec, metadata })).do).toBe(step);
  });

  test("that is kept may be deleted as an object, and its data stay", () => {
    const metadata = { ...aPersistentVolume().metadata, ...going };
    const kept = { metadata, status: released, spec: { reclaimPolicy: "Retain" as const } };
    expect(planVolume(aPersistentVolume(kept)).do).toBe("letGo");
    const free = { metadata, status: { phase: "Available" as const } };
    expect(planVolume(aPersistentVolume(free)).do).toBe("letGo");
  });

  test("that somebody else made is never touched", () => {
    const metadata = { ...aPersistentVolume().metadata, annotations: {} };
    expect(planVolume(aPersistentVolume({ metadata, status: released })).do).toBe("nothing");
  });
});
