import { expect, test } from "bun:test";
import { parseVersion } from "../version.ts";
import { isSupported, PIN, parsePin, releaseFolder, releaseFor, urlOf } from "./release.ts";

const pin = { version: "v1.36.4+k3s1", sha256: { arm64: "a".repeat(64) } };

test("each processor has its own files of the release, named as the release names them", () => {
  expect(releaseFor(pin, "x64")).toEqual({
    version: "v1.36.4+k3s1",
    arch: "amd64",
    binary: "k3s",
    checksums: "sha256sum-amd64.txt",
    sha256: undefined,
  });
  expect(releaseFor(pin, "arm64")).toMatchObject({
    binary: "k3s-arm64",
    checksums: "sha256sum-arm64.txt",
    sha256: "a".repeat(64),
  });
  expect(() => releaseFor(pin, "riscv64")).toThrow("for amd64 and arm64, not for riscv64");
});

test("the plus of a version is encoded in addresses, and kept in the cache", () => {
  expect(urlOf("https://github.com/k3s-io/k3s/releases/download", pin.version, "k3s").href).toBe(
    "https://github.com/k3s-io/k3s/releases/download/v1.36.4%2Bk3s1/k3s",
  );
  expect(releaseFolder({ HOME: "/home/ada" }, pin)).toBe(
    "/home/ada/.cache/fks-node/k3s/v1.36.4+k3s1",
  );
  expect(releaseFolder({ HOME: "/home/ada", XDG_CACHE_HOME: "/c" }, pin)).toBe(
    "/c/fks-node/k3s/v1.36.4+k3s1",
  );
});

test.each([
  ["v1.33.9+k3s1", false],
  ["v1.34.0+k3s1", true],
  ["v1.37.1+k3s1", true],
  ["v1.38.0+k3s1", false],
  ["v2.36.0+k3s1", false],
  ["nonsense", false],
])("%s is one we know: %p", (version, isKnown) => {
  expect(isSupported(parseVersion(version))).toBe(isKnown);
});

test("the pin names a release we know, and digests that are some", () => {
  expect(isSupported(parseVersion(PIN.version))).toBe(true);
  expect(() => parsePin({ ...pin, version: "v1.33.0+k3s1" })).toThrow();
  expect(() => parsePin({ ...pin, sha256: { amd64: "unknown" } })).toThrow();
  expect(() => parsePin({ ...pin, sha256: { mips: "a".repeat(64) } })).toThrow();
});
