import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Cluster, startCluster } from "./cluster.ts";
import { loadImages, WEB_IMAGE } from "./images.ts";
import { isRunning, podOf, podWhen } from "./objects.ts";
import { eventually } from "./process.ts";

const NAMES = ["web", "db", "guest"] as const;
type Name = (typeof NAMES)[number];
/** Every server of the image listens there. */
const PORT = 8080;

describe("NetworkPolicies, end to end", () => {
  let cluster: Cluster;
  const addresses = new Map<Name, string>();

  beforeAll(async () => {
    cluster = await startCluster();
    await loadImages(cluster);
    for (const name of NAMES) {
      await cluster.apply(podOf(name, { labels: { app: name }, container: { image: WEB_IMAGE } }));
    }
    for (const name of NAMES) {
      const pod = await podWhen(cluster, name, isRunning);
      addresses.set(name, pod.status?.podIP ?? "");
    }
    await cluster.kubectl(["expose", "pod", "db", "--port=80", `--target-port=${PORT}`]);
  });
  afterAll(async () => {
    await cluster.close();
  });

  async function reaches(from: Name, host: string, port = PORT): Promise<boolean> {
    const url = `http://[${host}]:${port}/`;
    const ask = ["exec", from, "--", "timeout", "5", "api-client", url];
    const { exitCode } = await cluster.tryKubectl(ask);
    return exitCode === 0;
  }
  const addressOf = (name: Name): string => addresses.get(name) ?? "";

  async function become(from: Name, to: Name, expected: boolean): Promise<void> {
    await eventually(`${from} ${expected ? "reaches" : "does not reach"} ${to}`, async () =>
      (await reaches(from, addressOf(to))) === expected ? true : undefined,
    );
  }

  test("a policy holds within a second, also for who asks by the Service, and ends with it", async () => {
    await become("guest", "db", true);
    await cluster.apply({
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { name: "db" },
      spec: {
        podSelector: { matchLabels: { app: "db" } },
        ingress: [{ from: [{ podSelector: { matchLabels: { app: "web" } } }] }],
      },
    });
    await become("guest", "db", false);
    expect(await reaches("web", addressOf("db"))).toBe(true);
    const service = await cluster.kubectl(["get", "svc", "db", "-o", "jsonpath={.spec.clusterIP}"]);
    expect(await reaches("guest", service, 80)).toBe(false);
    expect(await reaches("web", service, 80)).toBe(true);
    // The Node itself: kubectl exec, logs and probes.
    expect(await cluster.kubectl(["exec", "db", "--", "echo", "here"])).toBe("here\n");

    // Whom a policy means follows labels.
    await cluster.kubectl(["label", "pod", "guest", "app=web", "--overwrite"]);
    await become("guest", "db", true);
    await cluster.kubectl(["label", "pod", "guest", "app=guest", "--overwrite"]);
    await become("guest", "db", false);
    await cluster.kubectl(["delete", "networkpolicy", "db"]);
    await become("guest", "db", true);
  });

  test("what goes out is held, and names are still resolved", async () => {
    await cluster.apply({
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { name: "out" },
      spec: {
        podSelector: { matchLabels: { app: "guest" } },
        policyTypes: ["Egress"],
        egress: [{ to: [{ podSelector: { matchLabels: { app: "web" } } }] }],
      },
    });
    await become("guest", "db", false);
    expect(await reaches("guest", addressOf("web"))).toBe(true);
    const name = "kubernetes.default.svc.cluster.local";
    expect(await cluster.kubectl(["exec", "guest", "--", "nslookup", name])).toContain("fdaa:");
    await cluster.kubectl(["delete", "networkpolicy", "out"]);
  });
});
