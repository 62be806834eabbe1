import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { connect } from "node:net";
import type { Pod } from "#core/kube/pod.ts";
import type { Service } from "#core/kube/service.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import { loadImages, WEB_IMAGE, WEB_IMAGE_2 } from "./images.ts";
import { isRunning, podOf, podWhen } from "./objects.ts";
import { eventually } from "./process.ts";

const REQUESTS = 10_000;
const CLIENTS = 16;

/** Of the web image; its container's port has a name. */
function webDeployment(name: string, replicas: number, container: object = {}): object {
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: {
          terminationGracePeriodSeconds: 10,
          containers: [
            {
              name: "main",
              image: WEB_IMAGE,
              ports: [{ name: "page", containerPort: 8080 }],
              readinessProbe: { httpGet: { path: "/", port: "page" }, periodSeconds: 1 },
              ...container,
            },
          ],
        },
      },
    },
  };
}

function serviceOf(name: string, spec: object): object {
  return { apiVersion: "v1", kind: "Service", metadata: { name }, spec };
}

const TO_PAGE = { port: 80, targetPort: "page" };

describe("Services", () => {
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = await startCluster();
    await loadImages(cluster);
    await cluster.apply(
      webDeployment("web", 3),
      serviceOf("web", { type: "NodePort", selector: { app: "web" }, ports: [TO_PAGE] }),
      podOf("client", { container: { command: ["sleep", "86400"] } }),
    );
    await cluster.kubectl(["rollout", "status", "deployment/web", "--timeout=60s"]);
    await podWhen(cluster, "client", isRunning);
  });
  afterAll(() => cluster.close());

  const service = (name: string): Promise<Service> => cluster.get<Service>("service", name);
  const inClient = (...command: readonly string[]) =>
    cluster.tryKubectl(["exec", "client", "--", ...command]);
  const fromPod = (host: string, port: number) => inClient("api-client", `http://${host}:${port}/`);

  test("a ClusterIP answers Pods and the host, by the name of the target port", async () => {
    const { spec } = await service("web");

    expect(await fromHost(`[${spec.clusterIP}]`, 80)).toBe(`${WEB_IMAGE}\n`);
    expect((await fromPod(`[${spec.clusterIP}]`, 80)).stdout).toBe(`${WEB_IMAGE}\n`);
    // Also itself, through its own Service.
    await cluster.apply(
      serviceOf("self", { selector: { app: "self" }, ports: [TO_PAGE] }),
      podOf("self", {
        labels: { app: "self" },
        container: { ports: [{ name: "page", containerPort: 8080 }] },
      }),
    );
    await podWhen(cluster, "self", isRunning);
    const { clusterIP } = (await service("self")).spec;
    await fromHost(`[${clusterIP}]`, 80);
    expect(
      await cluster.kubectl(["exec", "self", "--", "api-client", `http://[${clusterIP}]/`]),
    ).toBe(`${WEB_IMAGE}\n`);
  });

  test("a NodePort answers on the host by both families, and at the Nodes for Pods", async () => {
    const { spec } = await service("web");
    const nodePort = spec.ports[0]?.nodePort ?? 0;
    const { items } = await cluster.get<{
      items: readonly { status: { addresses: readonly { type: string; address: string }[] } }[];
    }>("nodes");
    const nodes = items.flatMap(({ status }) =>
      status.addresses.filter(({ type }) => type === "InternalIP").map(({ address }) => address),
    );

    expect(await fromHost("127.0.0.1", nodePort)).toBe(`${WEB_IMAGE}\n`);
    for (const node of nodes) {
      expect(await fromHost(`[${node}]`, nodePort)).toBe(`${WEB_IMAGE}\n`);
      expect((await fromPod(`[${node}]`, nodePort)).stdout).toBe(`${WEB_IMAGE}\n`);
    }
  });

  test("a Service without endpoints refuses, and answers once somebody is there", async () => {
    await cluster.apply(serviceOf("later", { selector: { app: "later" }, ports: [TO_PAGE] }));
    const { clusterIP } = (await service("later")).spec;
    const refused = await fromPod(`[${clusterIP}]`, 80);
    expect(refused.stderr).toContain("connection refused");

    await cluster.apply(
      podOf("later", {
        labels: { app: "later" },
        container: { ports: [{ name: "page", containerPort: 8080 }] },
      }),
    );
    await podWhen(cluster, "later", isRunning);
    expect(await fromHost(`[${clusterIP}]`, 80)).toBe(`${WEB_IMAGE}\n`);
    await cluster.kubectl(["delete", "pod,service", "later"]);
  });

  test("a Service without a selector leads where its own EndpointSlice says", async () => {
    const pod = await podWhen(cluster, "client", isRunning);
    const web = (await cluster.get<{ items: readonly Pod[] }>("pods", "-l", "app=web")).items[0];
    expect(pod.status?.podIP).not.toBe(web?.status?.podIP);
    await cluster.apply(serviceOf("own", { ports: [{ name: "p", port: 81, targetPort: 1 }] }), {
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: { name: "own-1", labels: { "kubernetes.io/service-name": "own" } },
      addressType: "IPv6",
      ports: [{ name: "p", port: 8080, protocol: "TCP" }],
      endpoints: [{ addresses: [web?.status?.podIP] }],
    });
    const { clusterIP } = (await service("own")).spec;

    expect(await fromHost(`[${clusterIP}]`, 81)).toBe(`${WEB_IMAGE}\n`);
    expect((await fromPod(`[${clusterIP}]`, 81)).stdout).toBe(`${WEB_IMAGE}\n`);
  });

  test("a headless Service gets no address and takes nobody else's", async () => {
    await cluster.apply(
      serviceOf("headless", { clusterIP: "None", selector: { app: "web" }, ports: [TO_PAGE] }),
    );
    const { clusterIP } = (await service("headless")).spec;

    expect(clusterIP).toBe("None");
    const { spec } = await service("web");
    expect(await fromHost(`[${spec.clusterIP}]`, 80)).toBe(`${WEB_IMAGE}\n`);
  });

  test("the API server answers at its ClusterIP, in Pods with their token and on the host", async () => {
    const { clusterIP } = (await service("kubernetes")).spec;
    for (const host of [clusterIP, "kubernetes.default", "kubernetes.default.svc.cluster.local"]) {
      const at = [`KUBERNETES_SERVICE_HOST=${host}`, "KUBERNETES_SERVICE_PORT=443"];
      const asked = await inClient("env", ...at, "api-client", "/version");
      expect(asked.stderr).toBe("");
      expect(asked.stdout).toStartWith("200\n");
    }
    // Without any settings, as a client library finds it.
    expect((await inClient("api-client", "/version")).stdout).toStartWith("200\n");

    const server = `https://[${clusterIP}]:443`;
    expect(await cluster.kubectl(["--server", server, "get", "--raw", "/readyz"])).toBe("ok");
  });

  test("no request fails while every Pod behind a Service is replaced", async () => {
    // Between a Pod's leaving and the table's knowing there is a moment; preStop is for that.
    await cluster.apply(
      webDeployment("busy", 3, { lifecycle: { preStop: { sleep: { seconds: 3 } } } }),
      serviceOf("busy", { selector: { app: "busy" }, ports: [TO_PAGE] }),
    );
    await cluster.kubectl(["rollout", "status", "deployment/busy", "--timeout=60s"]);
    const { clusterIP } = (await service("busy")).spec;
    await fromHost(`[${clusterIP}]`, 80);

    const heard = new Map<string, number>();
    const rolled = new AbortController();
    let sent = 0;
    const client = async (): Promise<void> => {
      while (!rolled.signal.aborted || sent < REQUESTS) {
        sent += 1;
        const answer = await fetch(`http://[${clusterIP}]/`, { keepalive: false })
          .then((response) => response.text())
          .catch((error: unknown) => String(error));
        heard.set(answer, (heard.get(answer) ?? 0) + 1);
      }
    };
    const clients = Array.from({ length: CLIENTS }, client);
    try {
      await cluster.kubectl(["set", "image", "deployment/busy", `main=${WEB_IMAGE_2}`]);
      await cluster.kubectl(["rollout", "status", "deployment/busy", "--timeout=120s"]);
    } finally {
      rolled.abort();
      await Promise.all(clients);
    }

    expect([...heard.keys()].toSorted()).toEqual([`${WEB_IMAGE}\n`, `${WEB_IMAGE_2}\n`]);
    expect(sent).toBeGreaterThanOrEqual(REQUESTS);
    await cluster.kubectl(["delete", "deployment,service", "busy"]);
  });

  test("kill -9 of proxy: open connections go on, new ones are served, changes are made up for", async () => {
    const { spec } = await service("web");
    const { pid = 0 } = await cluster.part("proxy");
    const open = connect({ host: spec.clusterIP, port: 80 });
    await new Promise((resolve) => open.once("connect", resolve));

    process.kill(pid, "SIGSTOP");
    await cluster.apply(
      serviceOf("made-meanwhile", { selector: { app: "web" }, ports: [TO_PAGE] }),
    );
    process.kill(pid, "SIGKILL");
    expect(await fromHost(`[${spec.clusterIP}]`, 80)).toBe(`${WEB_IMAGE}\n`);
    const answered = new Promise<string>((resolve) => {
      let text = "";
      open.on("data", (bytes) => (text += bytes.toString())).on("close", () => resolve(text));
    });
    open.write("GET / HTTP/1.0\r\n\r\n");
    expect(await answered).toContain(WEB_IMAGE);

    const { clusterIP } = (await service("made-meanwhile")).spec;
    expect(await fromHost(`[${clusterIP}]`, 80)).toBe(`${WEB_IMAGE}\n`);
    await eventually("proxy is back", async () => {
      const part = await cluster.part("proxy");
      return part.ready && part.pid !== pid ? true : undefined;
    });
  });
});

/** The page that answers there, asked from the host. */
function fromHost(host: string, port: number): Promise<string> {
  return eventually(
    `${host}:${port} answers`,
    async () => {
      const signal = AbortSignal.timeout(2_000);
      return (await fetch(`http://${host}:${port}/`, { keepalive: false, signal })).text();
    },
    { timeoutMs: 10_000 },
  );
}
