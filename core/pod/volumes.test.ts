import { describe, expect, test } from "bun:test";
import { aConfigMap, aSecret } from "#test/fixtures/objects.ts";
import { aPod } from "#test/fixtures/pod.ts";
import type { PodVolume } from "../kube/pod.ts";
import { missingVolumeOf, volumeFilesFor } from "./volumes.ts";

const SOURCES = {
  configMaps: new Map([["settings", aConfigMap({ color: "blue", constructor: "c" })]]),
  secrets: new Map([["keys", aSecret({ password: "s3cret" })]]),
  tokens: new Map([["v/token", { token: "a-token", expiresAt: "2026-11-24T09:00:00Z" }]]),
  podIP: "fdaa::2",
  hostIP: "fdaa::10",
  allocatable: {},
};

function missing(volume: Omit<PodVolume, "name">) {
  return missingVolumeOf(aPod({ volumes: [{ ...volume, name: "v" }] }), SOURCES);
}

function filesOf(volume: Omit<PodVolume, "name">, spec = {}) {
  const pod = aPod({ ...spec, volumes: [{ ...volume, name: "v" }] });
  const files = volumeFilesFor(pod, SOURCES)["v"] ?? [];
  return files.map(({ path, mode, content }) => [path, mode, atob(content)]);
}

describe("a volume that cannot be there yet", () => {
  const PREFIX = 'MountVolume.SetUp failed for volume "v" : ';
  const gone = [{ key: "gone", path: "p" }];

  test.each([
    [{ configMap: { name: "gone" } }, 'configmap "gone" not found'],
    [{ secret: { secretName: "gone" } }, 'secret "gone" not found'],
    [
      { configMap: { name: "settings", items: gone } },
      "configmap references non-existent config key: gone",
    ],
    [{ secret: { secretName: "keys", items: gone } }, "references non-existent secret key: gone"],
    [
      { configMap: { name: "settings", items: [{ key: "toString", path: "p" }] } },
      "configmap references non-existent config key: toString",
    ],
    [{ projected: { sources: [{ secret: { name: "gone" } }] } }, 'secret "gone" not found'],
  ])("%j says why", (volume, why) => {
    expect(missing(volume)).toBe(PREFIX + why);
  });

  test.each([
    [{ configMap: { name: "gone", optional: true } }],
    [{ configMap: { name: "settings", optional: true, items: gone } }],
    [{ secret: { secretName: "keys", optional: true, items: gone } }],
    [{ projected: { sources: [{ configMap: { name: "gone", optional: true } }] } }],
  ])("%j is there, and empty", (volume) => {
    expect(missing(volume)).toBeUndefined();
    expect(filesOf(volume)).toEqual([]);
  });
});

describe("the files of a volume", () => {
  test("every key, with the volume's mode or the usual one", () => {
    expect(filesOf({ configMap: { name: "settings" } })).toEqual([
      ["color", 0o644, "blue"],
      ["constructor", 0o644, "c"],
    ]);
    expect(filesOf({ secret: { secretName: "keys", defaultMode: 0o400 } })).toEqual([
      ["password", 0o400, "s3cret"],
    ]);
  });

  test("a mode of 0 is a mode", () => {
    const items = [{ key: "password", path: "p", mode: 0 }];
    expect(filesOf({ secret: { secretName: "keys", items } })).toEqual([["p", 0, "s3cret"]]);
  });

  test("only the items, each where it is wanted; none named are all", () => {
    const items = [{ key: "color", path: "a/b", mode: 0o600 }];
    expect(filesOf({ configMap: { name: "settings", items } })).toEqual([["a/b", 0o600, "blue"]]);
    expect(filesOf({ configMap: { name: "settings", items: [] } })).toEqual(
      filesOf({ configMap: { name: "settings" } }),
    );
  });

  test("the Pod's group may read every file, and a token nobody else", () => {
    const spec = { securityContext: { fsGroup: 2000 } };
    const secret = { secretName: "keys", defaultMode: 0o400 };
    expect(filesOf({ secret }, spec)).toEqual([["password", 0o440, "s3cret"]]);
    const projected = { sources: [{ serviceAccountToken: { path: "token" } }] };
    expect(filesOf({ projected }, spec)).toEqual([["token", 0o640, "a-token"]]);
    expect(filesOf({ projected })).toEqual([["token", 0o644, "a-token"]]);
  });

  test("a token belongs to the one user of all containers, where there is one", () => {
    const token = { sources: [{ serviceAccountToken: { path: "token" } }] };
    const owned = (spec: object) => {
      const volumes = [{ name: "v", projected: token }];
      const [file] = volumeFilesFor(aPod({ ...spec, volumes }), SOURCES)["v"] ?? [];
      return [file?.uid, file?.mode.toString(8)];
    };
    const securityContext = { runAsUser: 1000 };
    const asRoot = { name: "b", securityContext: { runAsUser: 0 } };

    expect(owned({ securityContext })).toEqual([1000, "600"]);
    expect(owned({ securityContext: { runAsUser: 1000, fsGroup: 2000 } })).toEqual([1000, "640"]);
    expect(owned({ securityContext, containers: [{}, asRoot] })).toEqual([undefined, "644"]);
    expect(owned({ containers: [asRoot] })).toEqual([0, "600"]);
    expect(owned({ containers: [{}, asRoot] })).toEqual([undefined, "644"]);
    expect(owned({ securityContext, initContainers: [asRoot] })).toEqual([undefined, "644"]);
  });

  test("of two sources with one path the later one is seen", () => {
    const sources = [
      { configMap: { name: "settings", items: [{ key: "color", path: "p" }] } },
      { secret: { name: "keys", items: [{ key: "password", path: "p" }] } },
    ];
    expect(filesOf({ projected: { sources } })).toEqual([["p", 0o644, "s3cret"]]);
  });
});
