import { hostClock } from "#adapters/host/clock.ts";
import type { TlsFiles } from "#adapters/kubelet/deps.ts";
import { type KubeletApi, serveKubeletApi } from "#adapters/kubelet/server.ts";
import type { Pod } from "#core/kube/pod.ts";
import type { Clock } from "#core/ports/clock.ts";
import type { Identity, NodeAccess, Reviews } from "#core/ports/reviews.ts";
import type { NodeUsage } from "#core/usage/usage.ts";
import { ROOMY } from "#test/fixtures/eviction.ts";
import { type Issued, type TestCa, testCa } from "./kubelet-pki.ts";
import { kubeletProtocol } from "./kubelet-protocol.ts";
import { memoryLog } from "./log.ts";

const STARTED_AT = "2026-01-01T00:00:00Z";

interface KubeletWorld {
  readonly api: KubeletApi;
  readonly machines: ReturnType<typeof kubeletProtocol>;
  readonly log: ReturnType<typeof memoryLog>;
  readonly clientCa: TestCa;
  readonly serverCa: TestCa;
  /** The API server's own certificate. */
  readonly apiServer: Issued;
  /** What was asked of the API server, and what it says: change it to refuse. */
  readonly asked: { readonly identity: Identity; readonly access: NodeAccess }[];
  allow: (identity: Identity, access: NodeAccess) => boolean;
  /** What the Nodes use: change it to fail. */
  usage: (node: string) => NodeUsage;
  /** Serves another certificate from now on. */
  rotate(next: Issued): void;
  /** `https://…` of the Node with this index. */
  url(path: string, node?: number): string;
  fetch(path: string, init?: RequestInit, options?: FetchOptions): Promise<Response>;
  [Symbol.asyncDispose](): Promise<void>;
}

interface FetchOptions {
  /** `undefined`: no certificate. */
  readonly as?: Issued | undefined;
  readonly node?: number;
}

/** Two Nodes on loopback, a Pod `web` that runs and a Pod `late` that waits on the first of them. */
export async function kubeletWorld(
  clock: Clock = hostClock(),
  ports: readonly number[] = [0, 0],
): Promise<KubeletWorld> {
  const [clientCa, serverCa] = await Promise.all([testCa("client-ca"), testCa("server-ca")]);
  const [apiServer, serving] = await Promise.all([
    clientCa.client([{ O: ["system:masters"] }, { CN: ["system:apiserver"] }]),
    serverCa.server("127.0.0.1"),
  ]);
  const stop = new AbortController();
  const machines = kubeletProtocol();
  const log = memoryLog();
  let tls: TlsFiles = { ...serving, clientCa: clientCa.cert };
  let changed: (() => void) | undefined;

  const asked: KubeletWorld["asked"] = [];
  const reviews: Reviews = {
    authenticate: async (token) =>
      token === "good-token" ? { user: "scraper", groups: ["system:authenticated"] } : undefined,
    async isAllowed(identity, access) {
      asked.push({ identity, access });
      return result.allow(identity, access);
    },
  };

  const api = await serveKubeletApi(
    {
      nodes: ["local-a", "local-b"].map((name, index) => ({
        name,
        address: "127.0.0.1",
        port: ports[index] ?? 0,
      })),
      tls: () => tls,
      onTlsChange: (listener) => {
        changed = listener;
      },
      pods: (node) => PODS.filter((pod) => pod.spec.nodeName === node),
      findPod: (node, namespace, name) =>
        PODS.find(
          ({ metadata, spec }) =>
            metadata.name === name && metadata.namespace === namespace && spec.nodeName === node,
        ),
      machineFor: ({ metadata }) =>
        metadata.name === "web" ? { app: "fks-default", id: "148e0000000001" } : undefined,
      protocol: machines.protocol,
      usage: async (node) => result.usage(node),
      size: () => ({ memoryBytes: 4 * 2 ** 30, host: ROOMY }),
      reviews,
      metrics: async (node) => `# of ${node}\n`,
      log,
      clock,
    },
    stop.signal,
  );

  const url = (path: string, node = 0): string =>
    `https://127.0.0.1:${api.listening[node]?.port}${path}`;
  const result: KubeletWorld = {
    asked,
    allow: () => true,
    usage: usageOf,
    api,
    machines,
    log,
    clientCa,
    serverCa,
    apiServer,
    rotate(next) {
      tls = { ...next, clientCa: clientCa.cert };
      changed?.();
    },
    url,
    fetch: (path, init = {}, options = {}) => {
      const { as } = { as: apiServer, ...options };
      return fetch(url(path, options.node), {
        ...init,
        keepalive: false,
        tls: { ca: serverCa.cert, ...as },
      });
    },
    async [Symbol.asyncDispose]() {
      stop.abort(new Error("the test is over"));
      await api.closed;
    },
  };
  return result;
}

function usageOf(name: string): NodeUsage {
  const atMs = Date.parse(STARTED_AT) + 60_000;
  const container = {
    name: "app",
    startedAt: STARTED_AT,
    cpuNanoseconds: 1_500_000_000,
    memoryBytes: 1_048_576,
    usageBytes: 2_097_152,
    rssBytes: 524_288,
    pageFaults: 10,
    majorPageFaults: 1,
    processes: 2,
    rate: { nanoCores: 25_000_000, windowMs: 15_000 },
  };
  const network = { receivedBytes: 100, sentBytes: 200 };
  const pods = PODS.filter(
    ({ metadata, spec }) => metadata.name === "web" && spec.nodeName === name,
  ).map((pod) => ({ pod, atMs, containers: [container], volumes: [], network }));
  return { name, atMs, sinceMs: 0, cpuNanoseconds: 1_500_000_000, pods };
}

const PODS: readonly Pod[] = [
  {
    metadata: { name: "web", namespace: "default", uid: "uid-web" },
    spec: { nodeName: "local-a", containers: [{ name: "app", image: "busybox" }] },
    status: {
      phase: "Running",
      containerStatuses: [
        {
          name: "app",
          image: "busybox",
          imageID: "",
          ready: true,
          restartCount: 0,
          state: { running: { startedAt: STARTED_AT } },
        },
      ],
    },
  },
  {
    metadata: { name: "done", namespace: "default", uid: "uid-done" },
    spec: { nodeName: "local-a", containers: [{ name: "app", image: "busybox" }] },
    status: {
      phase: "Succeeded",
      containerStatuses: [
        {
          name: "app",
          image: "busybox",
          imageID: "",
          containerID: "fks://148e0000000002-app-0",
          ready: false,
          restartCount: 0,
          state: {
            terminated: {
              exitCode: 0,
              reason: "Completed",
              startedAt: STARTED_AT,
              finishedAt: STARTED_AT,
              containerID: "fks://148e0000000002-app-0",
            },
          },
        },
      ],
    },
  },
  {
    metadata: { name: "late", namespace: "default", uid: "uid-late" },
    spec: { nodeName: "local-a", containers: [{ name: "app", image: "busybox" }] },
    status: {
      phase: "Pending",
      containerStatuses: [
        {
          name: "app",
          image: "busybox",
          imageID: "",
          ready: false,
          restartCount: 0,
          state: { waiting: { reason: "ContainerCreating" } },
        },
      ],
    },
  },
  {
    metadata: { name: "far", namespace: "default", uid: "uid-far" },
    spec: { nodeName: "local-b", containers: [{ name: "app", image: "busybox" }] },
  },
];
