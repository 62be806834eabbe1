import { expect, test } from "bun:test";
import { endpointsOf, isSameRegistry } from "./endpoints.ts";

const access = {
  insecure: ["plain.example:5000"],
  mirrors: { "docker.io": ["https://mirror.example/hub/", "http://10.0.0.1:5000"] },
};

test.each([
  ["registry.example", "https://registry.example", false],
  ["registry.example:5000", "https://registry.example:5000", false],
  ["plain.example:5000", "http://plain.example:5000", true],
  ["localhost:5000", "http://localhost:5000", true],
  ["127.0.0.1:5000", "http://127.0.0.1:5000", true],
  ["[::1]:5000", "http://[::1]:5000", true],
  ["127.0.0.1.example", "https://127.0.0.1.example", false],
  ["localhost.example", "https://localhost.example", false],
])("%s is asked at %s", (registry, baseUrl, isInsecure) => {
  expect(endpointsOf(registry, access)).toEqual([{ baseUrl, isMirror: false, isInsecure }]);
});

test("mirrors come before the registry they stand for", () => {
  expect(endpointsOf("docker.io", access)).toEqual([
    { baseUrl: "https://mirror.example/hub", isMirror: true, isInsecure: false },
    { baseUrl: "http://10.0.0.1:5000", isMirror: true, isInsecure: true },
    { baseUrl: "https://registry-1.docker.io", isMirror: false, isInsecure: false },
  ]);
});

test.each([
  ["docker.io", "docker.io", true],
  ["https://index.docker.io/v1/", "docker.io", true],
  ["https://registry.example/v2/", "registry.example", true],
  ["registry.example", "registry.example:5000", false],
  ["evil.example/registry.example", "registry.example", false],
])("a credential for %s is one for %s: %p", (credential, registry, isSame) => {
  expect(isSameRegistry(credential, registry)).toBe(isSame);
});
