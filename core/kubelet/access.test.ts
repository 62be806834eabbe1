import { expect, test } from "bun:test";
import { accessFor, forbiddenText } from "./access.ts";

test.each([
  ["GET", "/pods", "get", ["pods", "proxy"]],
  ["GET", "/runningpods/", "get", ["pods", "proxy"]],
  ["GET", "/healthz/syncloop", "get", ["healthz", "proxy"]],
  ["GET", "/configz", "get", ["configz", "proxy"]],
  ["GET", "/stats/summary", "get", ["stats"]],
  ["GET", "/metrics/resource", "get", ["metrics"]],
  ["GET", "/logs/", "get", ["log"]],
  ["GET", "/containerLogs/ns/web/app", "get", ["proxy"]],
  ["GET", "/podsnot", "get", ["proxy"]],
  ["PUT", "/anything", "update", ["proxy"]],
  ["DELETE", "/anything", "delete", ["proxy"]],
] as const)("%s %s needs %s on %p", (method, path, verb, subresources) => {
  expect(accessFor(method, path)).toEqual({ verb, subresources });
});

test.each(["/exec/ns/p/c", "/attach/ns/p/c", "/run/ns/p/c", "/portForward/ns/p"])(
  "reading %s is creating: who may only read cannot run commands over WebSocket",
  (path) => {
    for (const method of ["GET", "POST", "OPTIONS"]) {
      expect(accessFor(method, path)).toEqual({ verb: "create", subresources: ["proxy"] });
    }
  },
);

test("a method that stands for no verb has no access", () => {
  expect(accessFor("TRACE", "/pods")).toBeUndefined();
});

test("a refused caller reads what the kubelet would say", () => {
  const access = { verb: "get", subresources: ["pods", "proxy"] } as const;
  expect(forbiddenText({ user: "jane", groups: [] }, access)).toBe(
    "Forbidden (user=jane, verb=get, resource=nodes, subresource(s)=[pods proxy])\n",
  );
});
