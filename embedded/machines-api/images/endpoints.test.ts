import { expect, test } from "bun:test";
import { endpointsOf } from "./endpoints.ts";

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
