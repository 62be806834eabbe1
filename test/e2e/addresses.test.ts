import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isInRange } from "#core/fly/ip.ts";
import { networkPlanFor } from "#core/fly/network.ts";
import type { Service } from "#core/kube/service.ts";
import { type Cluster, EXECUTABLE, startCluster } from "./cluster.ts";
import { type Platform, platformOf } from "./platform.ts";
import { eventually } from "./process.ts";

const APP = "fly.io/app";
const ALLOCATOR = "fly.io/clusterip-allocator";
const forever = new AbortController().signal;

interface List<T> {
  readonly items: readonly T[];
}

/** What the API server notes of an address it takes for given. */
interface IpAddress {
  readonly metadata: { readonly name: string };
  readonly spec: { readonly parentRef: { readonly namespace: string; readonly name: string } };
}

interface Options {
  readonly namespace?: string;
  readonly spec?: object;
  readonly generateName?: string;
}

function serviceOf(name: string, { namespace = "default", spec, generateName }: Options = {}) {
  const named = generateName === undefined ? { name } : { generateName };
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { ...named, namespace },
    spec: { selector: { app: "web" }, ports: [{ port: 80 }], ...spec },
  };
}

describe("addresses of Services", () => {
  let cluster: Cluster;
  let fly: Platform;
  let range: string;

  beforeAll(async () => {
    cluster = await startCluster(["--runtime", "none"]);
    fly = platformOf(cluster);
    const { networkId } = JSON.parse(readFileSync(join(cluster.dataDir, "cluster.json"), "utf8"));
    range = networkPlanFor(networkId).serviceRange;
  });
  afterAll(() => cluster.close());

  const create = (object: object, ...flags: readonly string[]) =>
    cluster.tryKubectl(["create", "-f", "-", "-o", "json", ...flags], {
      stdin: JSON.stringify(object),
    });

  const made = async (object: object): Promise<Service> => {
    const { exitCode, stdout, stderr } = await create(object);
    if (exitCode !== 0) throw new Error(stderr);
    return JSON.parse(stdout);
  };

  const holds = async (ip: string): Promise<string | undefined> =>
    (await fly.ips()).find((one) => one.ip === ip)?.service_name;

  const released = (ip: string): Promise<true> =>
    eventually(`${ip} is released`, async () =>
      (await holds(ip)) === undefined ? true : undefined,
    );

  test("a Service has an address of its namespace's App from its first moment on", async () => {
    const { spec, metadata } = await made(serviceOf("web"));
    expect(isInRange(spec.clusterIP, range)).toBe(true);
    expect(spec).toMatchObject({
      clusterIPs: [spec.clusterIP],
      ipFamilies: ["IPv6"],
      ipFamilyPolicy: "SingleStack",
    });
    expect(metadata.annotations[ALLOCATOR]).toBe("configured");

    const { metadata: namespace } = await cluster.get<Service>("namespace", "default");
    const held = await fly.addresses.list(namespace.labels[APP] ?? "", forever);
    expect(held).toMatchObject([{ ip: spec.clusterIP, service_name: "web" }]);

    await cluster.kubectl(["delete", "service", "web"]);
    await released(spec.clusterIP);
  });

  test("a Service that was given no name has one, and an address", async () => {
    const { metadata, spec } = await made(serviceOf("", { generateName: "many-" }));
    expect(metadata.name).toMatch(/^many-[a-z0-9]{5}$/);
    expect(await holds(spec.clusterIP)).toBe(metadata.name);
    await cluster.kubectl(["delete", "service", metadata.name]);
  });

  test("an address that is asked for is given, and is nobody else's", async () => {
    const ip = range.replace("/112", "abcd");
    const { spec } = await made(serviceOf("one", { spec: { clusterIP: ip } }));
    expect(spec.clusterIP).toBe(ip);
    expect(await holds(ip)).toBe("one");

    const again = await create(serviceOf("two", { spec: { clusterIP: ip } }));
    expect(again.exitCode).not.toBe(0);
    expect(again.stderr).toContain(`no address for Service "default/two"`);
    expect(again.stderr).toContain(`${ip} is assigned already`);
    const outside = await create(serviceOf("two", { spec: { clusterIP: "fdaa:9::1" } }));
    expect(outside.stderr).toContain("does not match the current range");
    await cluster.kubectl(["delete", "service", "one"]);
    await released(ip);
  });

  test("headless Services, names for others, dry runs and what is refused take none", async () => {
    const before = await fly.ips();
    await made(serviceOf("headless", { spec: { clusterIP: "None" } }));
    await made(serviceOf("alias", { spec: { type: "ExternalName", externalName: "example.org" } }));
    const dry = await create(serviceOf("dry"), "--dry-run=server");
    expect(dry.exitCode).toBe(0);
    const v4 = await create(serviceOf("four", { spec: { ipFamilies: ["IPv4"] } }));
    expect(v4.stderr).toContain("not configured on this cluster");
    expect(await fly.ips()).toEqual([...before]);

    // An alias that becomes a Service gets its address then, and gives it back afterwards.
    const patch = (spec: object) =>
      cluster.kubectl(["patch", "service", "alias", "-p", JSON.stringify({ spec })]);
    await patch({ type: "ClusterIP", externalName: null });
    const { spec } = await cluster.get<Service>("service", "alias");
    expect(await holds(spec.clusterIP)).toBe("alias");
    await patch({
      type: "ExternalName",
      externalName: "example.org",
      clusterIP: null,
      clusterIPs: null,
    });
    await released(spec.clusterIP);
    await cluster.kubectl(["delete", "service", "headless", "alias"]);
  });

  test("a Service of kube-system never waits for us, and its address becomes its App's", async () => {
    const { spec } = await made(serviceOf("addon", { namespace: "kube-system" }));
    await eventually("it is held", async () =>
      (await holds(spec.clusterIP)) === "addon" ? true : undefined,
    );
    await cluster.kubectl(["delete", "service", "addon", "-n", "kube-system"]);
    await released(spec.clusterIP);
  });

  test("what was lost is restored, and goes with its namespace", async () => {
    await cluster.kubectl(["create", "namespace", "shop"]);
    const { spec } = await made(serviceOf("web", { namespace: "shop" }));
    const { metadata } = await cluster.get<Service>("namespace", "shop");
    const app = metadata.labels[APP] ?? "";
    await fly.addresses.release(app, spec.clusterIP, forever);
    // A minute's look finds it, the first one after a start too.
    const { pid = 0 } = await cluster.part("cloud-controller");
    process.kill(pid, "SIGKILL");
    await eventually("it is restored", async () =>
      (await holds(spec.clusterIP)) === "web" ? true : undefined,
    );
    await cluster.kubectl(["delete", "namespace", "shop", "--timeout=50s"]);
    expect(await holds(spec.clusterIP)).toBeUndefined();
    expect(await fly.appNames()).not.toContain(app);
  });

  test("while the role is away the caller is told in one sentence, and nothing else is held up", async () => {
    const { spec } = await made(serviceOf("kept"));
    const { pid = 0 } = await cluster.part("cloud-controller");
    process.kill(pid, "SIGSTOP");
    try {
      const away = await create(serviceOf("late"));
      expect(away.exitCode).not.toBe(0);
      expect(away.stderr.trim().split("\n")).toHaveLength(1);
      expect(away.stderr).toContain('failed calling webhook "service-addresses.fly.io"');
      await made(serviceOf("bare", { spec: { clusterIP: "None" } }));
      await cluster.kubectl(["label", "service", "kept", "a=b"]);
      await made(serviceOf("addon", { namespace: "kube-system" }));
    } finally {
      process.kill(pid, "SIGKILL");
    }
    const { metadata, spec: late } = await eventually("Services are made again", () =>
      made(serviceOf("late")),
    );
    expect(metadata.annotations[ALLOCATOR]).toBe("configured");
    expect(await holds(spec.clusterIP)).toBe("kept");
    expect(await holds(late.clusterIP)).toBe("late");
  });

  test("the API server's own books of addresses and ours tell the same", async () => {
    const { items: services } = await cluster.get<List<Service>>("services", "-A");
    const used = services
      .filter(({ spec }) => isInRange(spec.clusterIP, range))
      .map(({ metadata, spec }) => `${metadata.namespace}/${metadata.name} ${spec.clusterIP}`);
    const { items } = await cluster.get<List<IpAddress>>("ipaddresses");
    const booked = items.map(
      ({ metadata, spec: { parentRef } }) =>
        `${parentRef.namespace}/${parentRef.name} ${metadata.name}`,
    );
    expect(booked.toSorted()).toEqual(used.toSorted());

    const ips = (await fly.ips()).map(({ ip }) => ip);
    const own = services.find(({ metadata }) => metadata.name === "kubernetes")?.spec.clusterIP;
    expect([own ?? "", ...ips].toSorted()).toEqual(
      items.map(({ metadata }) => metadata.name).toSorted(),
    );
  });

  test("a control plane without the role waits for nobody, and its Services are ours afterwards", async () => {
    await cluster.stop();
    const command = [EXECUTABLE, "control-plane", "--data-dir", cluster.dataDir];
    const env = { ...process.env, ...cluster.env };
    const alone = Bun.spawn(command, { stdout: "ignore", stderr: "ignore", env });
    let ip = "";
    try {
      const { spec } = await eventually("a Service is made", () => made(serviceOf("alone")), {
        timeoutMs: 60_000,
      });
      ip = spec.clusterIP;
    } finally {
      alone.kill("SIGTERM");
      await alone.exited;
    }
    expect(isInRange(ip, range)).toBe(true);

    await cluster.start();
    fly = platformOf(cluster);
    await eventually("its address is held, and the Service says so", async () => {
      const { metadata } = await cluster.get<Service>("service", "alone");
      const isTold = metadata.annotations[ALLOCATOR] === "configured";
      return isTold && (await holds(ip)) === "alone" ? true : undefined;
    });
  });
});
