import { expect, test } from "bun:test";
import { service } from "#test/fixtures/services.ts";
import type { Service } from "../kube/service.ts";
import { edgePlanFor } from "./edge-plan.ts";

function published(name: string, more: Partial<Service["spec"]> = {}, at = "01"): Service {
  const made = service({ type: "LoadBalancer" }, name);
  const creationTimestamp = `2026-01-${at}T00:00:00Z`;
  return {
    ...made,
    metadata: { ...made.metadata, creationTimestamp },
    spec: { ...made.spec, ...more },
  };
}

test("a LoadBalancer has its ports; other Services and other classes have none", () => {
  const { listeners, services } = edgePlanFor([
    published("web"),
    published("other", { loadBalancerClass: "example.com/mine" }),
    published("inside", { type: "ClusterIP" }),
  ]);
  expect([...listeners.values()]).toEqual([
    { port: 80, service: "default/web", portName: "", sourceRanges: [] },
  ]);
  expect(services.map(({ ports, problems }) => ({ ports, problems }))).toEqual([
    { ports: [80], problems: [] },
  ]);
});

test("of two that want one port the older has it, and the other is told whose it is", () => {
  const { listeners, services } = edgePlanFor([
    published("younger", {}, "02"),
    published("older", {}, "01"),
  ]);
  expect(listeners.get(80)?.service).toBe("default/older");
  expect(services.map(({ ports, problems }) => [ports, problems])).toEqual([
    [[80], []],
    [[], ["port 80 is not published: Service default/older has it"]],
  ]);
});

test("what the edge does not serve is named, and the rest is published", () => {
  const port = { name: "web", protocol: "TCP", port: 80, targetPort: 80, nodePort: 0 } as const;
  const made = published("web", {
    ports: [
      port,
      { ...port, name: "dns", protocol: "UDP", port: 53 },
      { ...port, name: "raw", port: 81 },
    ],
    loadBalancerSourceRanges: ["10.0.0.0/8"],
  });
  const annotations = {
    "service.fly.io/web-handlers": "http",
    "service.fly.io/raw-handlers": "proxy_proto",
  };
  const { listeners, services } = edgePlanFor([
    { ...made, metadata: { ...made.metadata, annotations } },
  ]);
  expect([...listeners.values()]).toEqual([
    {
      port: 81,
      service: "default/web",
      portName: "raw",
      proxyProtocol: "v2",
      sourceRanges: ["10.0.0.0/8"],
    },
  ]);
  expect(services[0]?.problems).toEqual([
    "port 80 is not published: handlers http are not served by this platform's edge yet",
    "port 53 is not published: the edge of this platform has no UDP; use its NodePort",
  ]);
});
