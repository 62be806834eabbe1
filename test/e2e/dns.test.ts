import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RecordData } from "#core/dns/record.ts";
import { networkPlanFor } from "#core/fly/network.ts";
import type { Pod } from "#core/kube/pod.ts";
import type { Service } from "#core/kube/service.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import { API_PART } from "./engine.ts";
import { loadImages, WEB_IMAGE } from "./images.ts";
import { type NameServer, nameServer } from "./name-server.ts";
import { deploymentOf, isRunning, podOf, podWhen } from "./objects.ts";
import { eventually, succeed } from "./process.ts";

const UPSTREAM = "127.0.0.53";
const OUTSIDE: Readonly<Record<string, readonly RecordData[]>> = {
  "shop.example": [
    { type: "A", address: new Uint8Array([192, 0, 2, 7]) },
    { type: "TXT", texts: ["open all day"] },
  ],
};

describe("names", () => {
  const folder = mkdtempSync(join(tmpdir(), "fks-e2e-dns-"));
  let upstream: NameServer;
  let cluster: Cluster;

  beforeAll(async () => {
    upstream = await nameServer(UPSTREAM, OUTSIDE);
    const resolvConf = join(folder, "resolv.conf");
    writeFileSync(resolvConf, `nameserver ${UPSTREAM}\n`);
    cluster = await startCluster(["--resolv-conf", resolvConf]);
    await loadImages(cluster);
    await cluster.apply(
      deploymentOf("web", 2),
      serviceOf("web", { selector: { app: "web" }, ports: [HTTP] }),
      serviceOf("shop", { type: "ExternalName", externalName: "shop.example" }),
      serviceOf("db", { clusterIP: "None", selector: { app: "db" }, ports: [HTTP] }),
      statefulSetOf("db", 2),
      serviceOf("peers", { clusterIP: "None", selector: { role: "peer" } }),
      podOf("peer", {
        labels: { role: "peer" },
        spec: { hostname: "alice", subdomain: "peers", setHostnameAsFQDN: true },
      }),
      podOf("asker"),
      podOf("plain", { spec: { dnsPolicy: "None", dnsConfig: { nameservers: ["fdaa::3"] } } }),
    );
    for (const name of ["asker", "plain", "peer", "db-0", "db-1"]) {
      await podWhen(cluster, name, isRunning);
    }
    await cluster.kubectl(["rollout", "status", "deployment/web", "--timeout=60s"]);
  });
  afterAll(async () => {
    await cluster.close();
    upstream[Symbol.dispose]();
    rmSync(folder, { recursive: true });
  });

  /** Addresses as a program in `pod` finds them. */
  async function addresses(name: string, pod = "asker"): Promise<readonly string[]> {
    const ran = await cluster.kubectl(["exec", pod, "--", "name-client", name]);
    return ran.trim().split(" ");
  }

  /** What nslookup prints about records of this type. */
  async function records(type: string, name: string): Promise<string> {
    return nslookup(`-type=${type}`, name);
  }

  async function nslookup(...args: readonly string[]): Promise<string> {
    const { stdout } = await cluster.tryKubectl(["exec", "asker", "--", "nslookup", ...args]);
    return stdout;
  }

  async function podIp(name: string): Promise<string> {
    const { status } = await cluster.get<{ status: { podIP: string } }>("pod", name);
    return status.podIP;
  }

  async function service(name: string): Promise<Service> {
    return cluster.get<Service>("service", name);
  }

  test("of a Service lead to its address, however much of them is said", async () => {
    const { spec } = await service("web");
    const app = await appOf(cluster);
    for (const name of [
      "web",
      "web.default",
      "web.default.svc",
      "web.default.svc.cluster.local",
      "web.default.svc.cluster.local.",
      `web.svc.${app}.flycast`,
    ]) {
      expect([name, await addresses(name)]).toEqual([name, [spec.clusterIP]]);
    }
  });

  test("of ports tell the port", async () => {
    expect(await records("srv", "_http._tcp.web.default.svc.cluster.local")).toContain(
      "service = 0 100 8080 web.default.svc.cluster.local",
    );
  });

  test("are found by addresses", async () => {
    const { spec } = await service("web");
    expect(await nslookup(spec.clusterIP)).toContain("name = web.default.svc.cluster.local");
    expect(await nslookup(await podIp("db-1"))).toContain(
      "name = db-1.db.default.svc.cluster.local",
    );
  });

  test("of a StatefulSet's Pods are their own", async () => {
    const both = [await podIp("db-0"), await podIp("db-1")];
    expect(await addresses("db")).toEqual(both.toSorted());
    expect(await addresses("db-0.db")).toEqual([both[0] ?? ""]);
    expect(await addresses("db-1.db.default.svc.cluster.local")).toEqual([both[1] ?? ""]);
    expect(await cluster.kubectl(["exec", "db-0", "--", "hostname"])).toBe("db-0\n");
    expect(await records("srv", "_http._tcp.db.default.svc.cluster.local")).toContain(
      "8080 db-0.db.default.svc.cluster.local",
    );
  });

  test("of Pods with a hostname and a subdomain are known to all, and to themselves", async () => {
    const ip = await podIp("peer");
    const full = "alice.peers.default.svc.cluster.local";
    expect(await addresses("alice.peers")).toEqual([ip]);
    expect(await cluster.kubectl(["exec", "peer", "--", "hostname"])).toBe(`${full}\n`);
    expect(await cluster.kubectl(["exec", "peer", "--", "cat", "/etc/hosts"])).toContain(
      `${ip}\t${full}\talice\t`,
    );
  });

  test("of Pods are their addresses with dashes", async () => {
    const ip = await podIp("asker");
    expect(await addresses(`${ip.replaceAll(":", "-")}.default.pod.cluster.local`)).toEqual([ip]);
  });

  test("of Machines are there as on Fly", async () => {
    expect(await records("txt", `regions.${await appOf(cluster)}.internal`)).toContain("local-a");
  });

  test("of others come from the host's resolver, in one question although `ndots` is 5", async () => {
    const before = upstream.asked.length;
    expect(await addresses("shop.example")).toEqual(["192.0.2.7"]);
    expect(await records("txt", "shop.example")).toContain("open all day");
    // Beside it, once: is this resolver one that asks us in turn?
    const asked = upstream.asked.slice(before).filter((name) => name.includes("example"));
    expect(new Set(asked)).toEqual(new Set(["shop.example"]));
  });

  test("of an ExternalName lead to the other name's address", async () => {
    expect(await addresses("shop")).toEqual(["192.0.2.7"]);
    expect(await records("cname", "shop.default.svc.cluster.local")).toContain(
      "canonical name = shop.example",
    );
  });

  test("that are nowhere are said to be nowhere, by everybody", async () => {
    for (const name of ["none", "none.default.svc.cluster.local", "none.example", "db-7.db"]) {
      const { exitCode, stderr } = await cluster.tryKubectl([
        "exec",
        "asker",
        "--",
        "name-client",
        name,
      ]);
      expect([name, exitCode, stderr]).toEqual([name, 1, expect.stringContaining("no such host")]);
    }
  });

  test("tell which version of the specification they follow", async () => {
    expect(await records("txt", "dns-version.cluster.local")).toContain("1.1.0");
  });

  test("are asked where dnsConfig says when dnsPolicy is None", async () => {
    expect(await addresses("shop.example", "plain")).toEqual(["192.0.2.7"]);
    const { exitCode } = await cluster.tryKubectl(["exec", "plain", "--", "name-client", "web"]);
    expect(exitCode).toBe(1);
  });

  test("follow changes at once", async () => {
    await cluster.kubectl(["scale", "statefulset/db", "--replicas=1"]);
    const first = await podIp("db-0");
    await eventually("db has one address", async () => {
      const found = await addresses("db");
      return found.length === 1 && found[0] === first ? true : undefined;
    });
  });

  test("are still known while the API server does not answer", async () => {
    const { spec } = await service("web");
    const { networkId } = JSON.parse(readFileSync(join(cluster.dataDir, "cluster.json"), "utf8"));
    const { routerNetns: netns } = networkPlanFor(networkId);
    const { pid = 0 } = await cluster.part(API_PART[cluster.engine.name]);
    const lookup = "nslookup -type=aaaa web.default.svc.cluster.local fdaa::3".split(" ");

    process.kill(pid, "SIGSTOP");
    try {
      const found = await succeed(["ip", "netns", "exec", netns, "busybox", ...lookup]);
      expect(found).toContain(`Address: ${spec.clusterIP}`);
    } finally {
      process.kill(pid, "SIGCONT");
    }
  });
});

const HTTP = { name: "http", port: 8080 };

function serviceOf(name: string, spec: object): object {
  return { apiVersion: "v1", kind: "Service", metadata: { name }, spec };
}

function statefulSetOf(name: string, replicas: number): object {
  return {
    apiVersion: "apps/v1",
    kind: "StatefulSet",
    metadata: { name },
    spec: {
      serviceName: name,
      replicas,
      podManagementPolicy: "Parallel",
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: {
          terminationGracePeriodSeconds: 2,
          containers: [{ name: "main", image: WEB_IMAGE }],
        },
      },
    },
  };
}

async function appOf(cluster: Cluster): Promise<string> {
  const { metadata } = await cluster.get<Pod>("namespace", "default");
  return metadata.labels?.["fly.io/app"] ?? "";
}
