import { describe, expect, test } from "bun:test";
import { FksError } from "#core/errors.ts";
import { compareVersions, parseVersion, versionStepFor } from "./version.ts";

describe("a version", () => {
  test("of K3s is Kubernetes' with a build", () => {
    expect(parseVersion("v1.36.4+k3s1")).toEqual({
      text: "v1.36.4+k3s1",
      major: 1,
      minor: 36,
      patch: 4,
      preRelease: "",
      build: "k3s1",
    });
  });

  test.each(["", "v1.36", "k3s", "v1.36.4 (abc)", "v1.x.0", "v1.36.4+", "dev"])(
    "%p is none",
    (text) => {
      expect(parseVersion(text)).toBeUndefined();
    },
  );

  test("comes after its candidates, its earlier patches and its earlier builds", () => {
    const inOrder = [
      "v1.35.9+k3s1",
      "v1.36.0-rc.2+k3s1",
      "v1.36.0-rc.10+k3s1",
      "v1.36.0",
      "v1.36.0+k3s1",
      "v1.36.0+k3s10",
      "v1.36.4",
      "v1.36.10",
      "v1.37.0",
      "v2.0.0",
    ];
    const versions = inOrder.toReversed().flatMap((text) => parseVersion(text) ?? []);
    expect(versions.toSorted(compareVersions).map(({ text }) => text)).toEqual(inOrder);
  });
});

describe("the data of a directory", () => {
  test.each([
    [undefined, "v1.36.4+k3s1", "first"],
    ["v1.36.4+k3s1", "v1.36.4+k3s1", "same"],
    ["1.36.4", "v1.36.4", "same"],
    ["v1.36.3", "v1.36.4", "patch"],
    ["v1.36.4", "v1.36.3", "patch"],
    ["v1.36.4+k3s1", "v1.36.4+k3s2", "patch"],
    ["v1.37.0-rc.1", "v1.37.0", "patch"],
    ["v1.36.4+k3s1", "v1.37.0+k3s1", "upgrade"],
    ["v1.36.4", "v1.37.0-rc.1", "upgrade"],
  ] as const)("of %p, started by %p: %s", (known, now, step) => {
    expect(versionStepFor(known, now)).toBe(step);
  });

  test.each([
    [
      "v1.37.1",
      "v1.36.4",
      "the data was written by Kubernetes v1.37.1, this control plane is v1.36.4: an older minor cannot read it; start v1.37, or restore a backup made by v1.36",
    ],
    [
      "v1.35.8+k3s1",
      "v1.37.1+k3s1",
      "the data was written by Kubernetes v1.35.8+k3s1, this control plane is v1.37.1+k3s1: minors are upgraded one at a time; start a v1.36 first",
    ],
    [
      "v1.36.4",
      "v2.0.0",
      "the data was written by Kubernetes v1.36.4, this control plane is v2.0.0: minors are upgraded one at a time; start a v1.37 first",
    ],
    [
      "v1.36.4",
      "dev",
      "the data was written by Kubernetes v1.36.4, this control plane is dev: which of them is newer cannot be told",
    ],
  ])("of %s is not given to %s", (known, now, sentence) => {
    expect(() => versionStepFor(known, now)).toThrow(new FksError("Conflict", sentence));
  });
});
