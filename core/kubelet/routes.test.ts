import { expect, test } from "bun:test";
import { assert, property, webUrl } from "fast-check";
import { routeFor } from "./routes.ts";

const at = (path: string): URL => new URL(path, "https://node");
const none = { stdin: false, stdout: false, stderr: false, tty: false };

test("the API server's exec call is read, with and without the Pod's UID", () => {
  const query = "?command=sh&command=-c&command=a%20b&input=1&output=1&error=1";
  const wanted = {
    to: "exec",
    namespace: "ns",
    pod: "web",
    container: "app",
    command: ["sh", "-c", "a b"],
    stdin: true,
    stdout: true,
    stderr: true,
    tty: false,
  } as const;

  expect(routeFor("POST", at(`/exec/ns/web/app${query}`))).toEqual({ ok: true, request: wanted });
  expect(routeFor("GET", at(`/exec/ns/web/uid-1/app${query}`))).toEqual({
    ok: true,
    request: { ...wanted, uid: "uid-1" },
  });
});

test("with a terminal there is no standard error", () => {
  const route = routeFor("POST", at("/attach/ns/web/app?output=1&error=1&tty=true"));
  expect(route).toMatchObject({ ok: true, request: { stdout: true, stderr: false, tty: true } });
});

test("an empty container is kept for the Pod's default to fill", () => {
  const route = routeFor("POST", at("/exec/ns/web/?command=ls"));
  const request = { to: "exec", namespace: "ns", pod: "web", container: "", command: ["ls"] };
  expect(route).toMatchObject({ ok: true, request });
  expect(route).toMatchObject({ request: none });
});

test("port-forward has the ports of its query, and the UID only in the longer path", () => {
  expect(routeFor("GET", at("/portForward/ns/web?port=80,81&port=82"))).toEqual({
    ok: true,
    request: { to: "portForward", namespace: "ns", pod: "web", ports: ["80,81", "82"] },
  });
  expect(routeFor("POST", at("/portForward/ns/web/uid-1"))).toMatchObject({
    request: { uid: "uid-1" },
  });
});

test("run splits its command at spaces", () => {
  expect(routeFor("POST", at("/run/ns/web/app?cmd=ls%20-l"))).toMatchObject({
    request: { to: "run", command: ["ls", "-l"] },
  });
});

test.each([
  ["GET", "/pods", "pods"],
  ["GET", "/runningpods/", "runningPods"],
  ["GET", "/healthz", "healthz"],
  ["GET", "/healthz/syncloop", "healthz"],
  ["GET", "/configz", "configz"],
  ["GET", "/metrics", "metrics"],
  ["GET", "/metrics/resource", "resourceMetrics"],
  ["GET", "/metrics/cadvisor", "cadvisorMetrics"],
] as const)("%s %s", (method, path, to) => {
  expect(routeFor(method, at(path))).toEqual({ ok: true, request: { to } });
});

test.each([
  ["/stats/summary", false],
  ["/stats/summary?only_cpu_and_memory=true", true],
])("%s asks for CPU and memory alone: %p", (path, onlyCpuAndMemory) => {
  const request = { to: "summary", onlyCpuAndMemory } as const;
  expect(routeFor("GET", at(path))).toEqual({ ok: true, request });
});

test.each([
  ["POST", "/pods", 405],
  ["GET", "/run/ns/web/app", 405],
  ["DELETE", "/exec/ns/web/app", 405],
  ["GET", "/", 404],
  ["GET", "/exec/ns/web", 404],
  ["GET", "/exec/ns/web/uid/app/more", 404],
  ["GET", "/containerLogs//web/app", 404],
  ["GET", "/containerLogs/ns/%ff/app", 404],
  ["GET", "/constructor", 404],
  ["GET", "/debug/pprof", 404],
] as const)("%s %s is %d", (method, path, status) => {
  expect(routeFor(method, at(path))).toMatchObject({ ok: false, status });
});

test("whatever the URL, there is a route or a reason", () => {
  assert(
    property(webUrl({ withQueryParameters: true }), (text) => {
      expect(typeof routeFor("GET", new URL(text)).ok).toBe("boolean");
    }),
  );
});
