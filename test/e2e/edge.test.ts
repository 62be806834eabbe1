import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Service } from "#core/kube/service.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import { loadImages, WEB_IMAGE } from "./images.ts";
import { isRunning, podOf, podWhen } from "./objects.ts";
import { eventually } from "./process.ts";

const PORT = 18_080;

function published(name: string, app: string, more: object = {}): object {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, ...more },
    spec: {
      type: "LoadBalancer",
      selector: { app },
      ports: [{ port: PORT, targetPort: 8080 }],
    },
  };
}

describe("Services of type LoadBalancer, end to end", () => {
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = await startCluster();
    await loadImages(cluster);
    const ipv4Only = ["busybox", "httpd", "-f", "-p", "0.0.0.0:8080", "-h", "/www"];
    await cluster.apply(
      podOf("web", { labels: { app: "web" } }),
      podOf("old", { labels: { app: "old" }, container: { command: ipv4Only } }),
      published("web", "web"),
    );
    for (const name of ["web", "old"]) await podWhen(cluster, name, isRunning);
  });
  afterAll(async () => {
    await cluster.close();
  });

  const addressesOf = async (name: string): Promise<readonly string[]> =>
    (await cluster.get<Service>("service", name)).status.loadBalancer.ingress?.map(
      ({ ip = "" }) => ip,
    ) ?? [];

  test("are found at the addresses that their status tells", async () => {
    await eventually("the Service is published", async () =>
      (await addressesOf("web")).join() === "127.0.0.1,::1" ? true : undefined,
    );
    expect(await answers("127.0.0.1")).toBe(`${WEB_IMAGE}\n`);
    expect(await answers("[::1]")).toBe(`${WEB_IMAGE}\n`);
  });

  test("have a port alone: another one waits until it is free, and is told whose it is", async () => {
    const annotations = { "service.fly.io/colour": "red" };
    await cluster.apply(published("second", "old", { annotations }));
    const events = await eventually("the Service is told", async () => {
      const text = await cluster.kubectl(["describe", "service", "second"]);
      return text.includes("default/web has it") ? text : undefined;
    });
    expect(events).toContain("service.fly.io/colour is no annotation that is known");
    expect(await addressesOf("second")).toEqual([]);

    await cluster.kubectl(["delete", "service", "web"]);
    await eventually("the second has it", async () =>
      (await addressesOf("second")).length > 0 ? true : undefined,
    );
    // Its server knows nothing but IPv4.
    expect(await answers("127.0.0.1")).toBe(`${WEB_IMAGE}\n`);
  });
});

function answers(host: string): Promise<string> {
  return eventually(`${host}:${PORT} answers`, async () => {
    const signal = AbortSignal.timeout(2_000);
    return (await fetch(`http://${host}:${PORT}/`, { keepalive: false, signal })).text();
  });
}
