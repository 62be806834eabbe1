import { randomFrom } from "./faulty.ts";
import type { ServiceObjects } from "./services-api.ts";

/** Objects of a cluster that a seed makes: the same seed, the same cluster. */
export function generatedCluster(seed: number, size: ClusterSize): ServiceObjects {
  const next = randomFrom(seed);
  const random = (below: number): number => Math.floor(next() * below);
  const namespaces = Array.from({ length: size.namespaces }, (_, index) => `ns${index}`);
  const services: object[] = [];
  const endpointslices: object[] = [];
  const pods: object[] = [];

  for (let index = 0; index < size.services; index += 1) {
    const namespace = namespaces[index % namespaces.length] ?? "";
    const name = `svc${index}`;
    const kind = KINDS[random(KINDS.length)] ?? "cluster";
    const ports = portsOf(1 + random(3), random);
    services.push({
      metadata: { name, namespace, uid: `s${index}`, resourceVersion: "1" },
      spec: specOf(kind, index, ports),
    });
    if (kind === "external") continue;
    const count = size.endpoints.min + random(1 + size.endpoints.max - size.endpoints.min);
    const endpoints = Array.from({ length: count }, (_, at) => {
      const address = `fdaa:1:2:a7b:1:${hex(index + 1)}:${hex(at + 1)}:2`;
      pods.push(podOf(`${name}-${at}`, namespace, address));
      return endpointOf(`${name}-${at}`, address, random(4));
    });
    // Now and then some are in one slice and the rest in another.
    const cut = random(4) === 0 ? random(count) : count;
    const parts = [endpoints.slice(0, cut), ...(cut < count ? [endpoints.slice(cut)] : [])];
    for (const [at, some] of parts.entries()) {
      const labels = { "kubernetes.io/service-name": name };
      endpointslices.push({
        metadata: {
          name: `${name}-${at}`,
          namespace,
          uid: `e${index}-${at}`,
          resourceVersion: "1",
          labels,
        },
        addressType: "IPv6",
        endpoints: some,
        ports: ports.map(({ name: port, protocol, port: number }) => {
          return { name: port, protocol, port: number + 1000 };
        }),
      });
    }
  }
  return {
    namespaces: namespaces.map((name) => ({
      metadata: { name, uid: name, resourceVersion: "1" },
    })),
    services,
    endpointslices,
    pods,
  };
}

interface ClusterSize {
  readonly namespaces: number;
  readonly services: number;
  /** Of each Service that has any. */
  readonly endpoints: { readonly min: number; readonly max: number };
}

interface Port {
  readonly name: string;
  readonly protocol: string;
  readonly port: number;
}

const KINDS = ["cluster", "cluster", "headless", "headless", "external"] as const;

function specOf(kind: (typeof KINDS)[number], index: number, ports: readonly Port[]): object {
  switch (kind) {
    case "external":
      return { type: "ExternalName", externalName: `name${index}.example` };
    case "headless":
      return { type: "ClusterIP", clusterIP: "None", clusterIPs: ["None"], ports };
    case "cluster": {
      const clusterIP = `fdaa:1:2:0:1::${hex(index + 1)}`;
      return { type: "ClusterIP", clusterIP, clusterIPs: [clusterIP], ports };
    }
  }
}

function portsOf(count: number, random: (below: number) => number): readonly Port[] {
  return Array.from({ length: count }, (_, index) => ({
    name: `p${index}`,
    protocol: random(3) === 0 ? "UDP" : "TCP",
    port: 80 + index,
  }));
}

/** With a hostname or without, ready or not. */
function endpointOf(name: string, address: string, turn: number): object {
  const conditions = { ready: turn !== 3, serving: turn !== 3, terminating: false };
  return { addresses: [address], conditions, ...(turn < 2 ? { hostname: name } : {}) };
}

function podOf(name: string, namespace: string, ip: string): object {
  return {
    metadata: { name, namespace, uid: `p-${namespace}-${name}`, resourceVersion: "1" },
    spec: {},
    status: { phase: "Running", podIP: ip, podIPs: [{ ip }] },
  };
}

function hex(value: number): string {
  return value.toString(16);
}
