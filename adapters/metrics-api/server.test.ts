import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { hostClock } from "#adapters/host/clock.ts";
import { FksError } from "#core/errors.ts";
import type { Access, Identity } from "#core/ports/reviews.ts";
import type { NodeUsage, PodUsage } from "#core/usage/usage.ts";
import { type Issued, type TestCa, testCa } from "#test/fakes/kubelet-pki.ts";
import { memoryLog } from "#test/fakes/log.ts";
import { type MetricsApi, serveMetricsApi } from "./server.ts";

const AT = Date.parse("2026-01-01T00:01:00Z");
const ROOT = "/apis/metrics.k8s.io/v1beta1";

const stop = new AbortController();
const asked: { readonly identity: Identity; readonly access: Access }[] = [];
const log = memoryLog();
let allows = true;
let usages: () => Promise<readonly NodeUsage[]> = async () => [];
let api: MetricsApi;
let clientCa: TestCa;
let proxyCa: TestCa;
let serverCa: TestCa;
let proxy: Issued;

beforeAll(async () => {
  [clientCa, proxyCa, serverCa] = await Promise.all([
    testCa("client-ca"),
    testCa("request-header-ca"),
    testCa("server-ca"),
  ]);
  proxy = await proxyCa.client([{ CN: ["front-proxy-client"] }]);
  const serving = await serverCa.server("127.0.0.1");
  api = await serveMetricsApi(
    {
      address: "127.0.0.1",
      port: 0,
      tls: () => serving,
      clientCa: clientCa.cert,
      requestHeader: {
        ca: proxyCa.cert,
        allowedNames: ["front-proxy-client"],
        userHeaders: ["X-Remote-User"],
        groupHeaders: ["X-Remote-Group"],
        extraPrefixes: ["X-Remote-Extra-"],
      },
      reviews: {
        authenticate: async (token) =>
          token === "good-token" ? { user: "scraper", groups: [] } : undefined,
        async mayAccess(identity, access) {
          asked.push({ identity, access });
          return allows;
        },
      },
      usages: () => usages(),
      nodeLabels: async (selector) => {
        const labels: Readonly<Record<string, string>> = { region: "a" };
        const ours = new Map([["local-a", labels]]);
        return selector === "" ? ours.set("local-b", {}).set("foreign", {}) : ours;
      },
      log,
      clock: hostClock(),
    },
    stop.signal,
  );
});

afterAll(async () => {
  stop.abort(new Error("the test is over"));
  await api.closed;
});

beforeEach(() => {
  asked.length = 0;
  allows = true;
  usages = async () => [
    nodeOf("local-a", [podOf("default", "web", 100), podOf("other", "web", 200, { app: "x" })]),
    nodeOf("local-b", [podOf("default", "late", undefined)]),
  ];
});

function nodeOf(name: string, pods: readonly PodUsage[]): NodeUsage {
  return { name, atMs: AT, sinceMs: 0, cpuNanoseconds: 0, pods };
}

/** A Pod with a rate in thousandths of a core; without one it is too young. */
function podOf(
  namespace: string,
  name: string,
  millis: number | undefined,
  labels: Record<string, string> = {},
): PodUsage {
  const rate = millis === undefined ? {} : { rate: { nanoCores: millis * 1e6, windowMs: 15_250 } };
  return {
    pod: {
      metadata: { name, namespace, uid: `${namespace}-${name}`, labels },
      spec: { containers: [{ name: "app", image: "x" }] },
    },
    atMs: AT,
    containers: [
      {
        name: "app",
        startedAt: "2026-01-01T00:00:00Z",
        cpuNanoseconds: 1,
        memoryBytes: 1_048_577,
        usageBytes: 1,
        rssBytes: 1,
        pageFaults: 1,
        majorPageFaults: 1,
        processes: 1,
        ...rate,
      },
    ],
    volumes: [],
  };
}

const JANE = { "X-Remote-User": "jane", "X-Remote-Group": "staff" };

function call(path: string, init: RequestInit = {}, as: Issued | undefined = proxy) {
  return fetch(`https://127.0.0.1:${api.port}${path}`, {
    headers: JANE,
    ...init,
    keepalive: false,
    tls: { ca: serverCa.cert, ...as },
  });
}

async function bodyOf(answer: Response) {
  return JSON.parse(await answer.text());
}

async function names(path: string): Promise<readonly string[]> {
  const { items } = await bodyOf(await call(path));
  return items.map(({ metadata }: { metadata: { namespace?: string; name: string } }) =>
    [metadata.namespace, metadata.name].filter(Boolean).join("/"),
  );
}

describe("who is calling", () => {
  test("the API server speaks for a user, with groups and extras", async () => {
    const headers = { ...JANE, "X-Remote-Extra-Scopes%2fof": "read" };
    expect((await call(`${ROOT}/pods`, { headers })).status).toBe(200);
    expect(asked).toEqual([
      {
        identity: { user: "jane", groups: ["staff"], extra: { "scopes/of": ["read"] } },
        access: { verb: "list", group: "metrics.k8s.io", version: "v1beta1", resource: "pods" },
      },
    ]);
  });

  test("nobody else does: their headers mean nothing", async () => {
    const admin = { "X-Remote-User": "admin", "X-Remote-Group": "system:masters" };
    const impostor = await clientCa.client([{ CN: ["front-proxy-client"] }]);
    expect((await call(`${ROOT}/nodes`, { headers: admin }, impostor)).status).toBe(200);
    expect(asked[0]?.identity).toEqual({ user: "front-proxy-client", groups: [] });

    const other = await proxyCa.client([{ CN: ["another-proxy"] }]);
    expect((await call(`${ROOT}/nodes`, { headers: admin }, other)).status).toBe(401);
  });

  test("a client certificate and a bearer token are their own", async () => {
    const joe = await clientCa.client([{ O: ["staff"] }, { CN: ["joe"] }]);
    await call(`${ROOT}/nodes`, { headers: {} }, joe);
    const headers = { authorization: "Bearer good-token" };
    await fetch(`https://127.0.0.1:${api.port}${ROOT}/nodes`, {
      headers,
      keepalive: false,
      tls: { ca: serverCa.cert },
    });
    expect(asked.map(({ identity }) => identity)).toEqual([
      { user: "joe", groups: ["staff"] },
      { user: "scraper", groups: [] },
    ]);
  });

  test.each([
    ["nobody", {}, async () => ({ cert: "", key: "" })],
    ["a bad token", { authorization: "Bearer bad" }, async () => ({ cert: "", key: "" })],
    ["the API server for nobody", {}, async () => proxy],
    [
      "an expired proxy",
      JANE,
      () => proxyCa.client([{ CN: ["front-proxy-client"] }], { expired: true }),
    ],
    [
      "a certificate of the servers' CA",
      JANE,
      () => serverCa.client([{ CN: ["front-proxy-client"] }]),
    ],
  ])("%s is 401", async (_who, headers, certificate) => {
    const { cert, key } = await certificate();
    const tls = { ca: serverCa.cert, ...(cert === "" ? {} : { cert, key }) };
    const url = `https://127.0.0.1:${api.port}${ROOT}/pods`;
    const answer = await fetch(url, { headers, keepalive: false, tls });
    expect(answer.status).toBe(401);
    expect(await answer.json()).toMatchObject({ kind: "Status", reason: "Unauthorized" });
    expect(asked).toEqual([]);
  });

  test("who may not is told so in the API server's words", async () => {
    allows = false;
    const answer = await call(`${ROOT}/namespaces/default/pods/web`);
    expect([answer.status, (await bodyOf(answer)).message]).toEqual([
      403,
      'pods.metrics.k8s.io "web" is forbidden: User "jane" cannot get resource "pods" in API group "metrics.k8s.io" in the namespace "default"',
    ]);
  });

  test("probes need no name", async () => {
    expect(await (await call("/readyz", { headers: {} })).text()).toBe("ok");
  });
});

describe("what is told", () => {
  test("Pods with their containers' rates; one that is too young is left out", async () => {
    const { items, kind } = await bodyOf(await call(`${ROOT}/namespaces/default/pods`));
    expect(kind).toBe("PodMetricsList");
    expect(items).toEqual([
      {
        kind: "PodMetrics",
        apiVersion: "metrics.k8s.io/v1beta1",
        metadata: {
          name: "web",
          namespace: "default",
          creationTimestamp: "2026-01-01T00:01:00Z",
          labels: {},
        },
        timestamp: "2026-01-01T00:01:00Z",
        window: "15.25s",
        containers: [{ name: "app", usage: { cpu: "100000000n", memory: "1025Ki" } }],
      },
    ]);
  });

  test("Nodes with the sums of their Pods and their own labels", async () => {
    const node = await (await call(`${ROOT}/nodes/local-a`)).json();
    expect(node).toMatchObject({
      kind: "NodeMetrics",
      metadata: { name: "local-a", labels: { region: "a" } },
      usage: { cpu: "300000000n", memory: "2049Ki" },
    });
  });

  test.each([
    ["pods", ["default/web", "other/web"]],
    ["namespaces/other/pods", ["other/web"]],
    ["pods?labelSelector=app%3Dx", ["other/web"]],
    ["pods?labelSelector=app%20notin%20(x)", ["default/web"]],
    ["pods?fieldSelector=metadata.namespace%3Dother", ["other/web"]],
    ["namespaces/default/pods?fieldSelector=metadata.namespace%3Dother", []],
    ["namespaces/default/pods?fieldSelector=metadata.name%3Dweb", ["default/web"]],
    ["nodes", ["local-a", "local-b"]],
    ["nodes?labelSelector=region%3Da", ["local-a"]],
    ["nodes?fieldSelector=metadata.name%3Dlocal-b", ["local-b"]],
  ])("%s gives %p", async (path, wanted) => {
    expect(await names(`${ROOT}/${path}`)).toEqual([...wanted]);
  });

  test.each([
    ["GET", "namespaces/default/pods/nothing", 404],
    ["GET", "nodes/foreign", 404],
    ["GET", "nodes/a/b", 404],
    ["GET", "pods/web", 404],
    ["GET", "namespaces/default", 404],
    ["GET", "pods?labelSelector=a%3Db%3Dc", 400],
    ["GET", "pods?fieldSelector=spec.nodeName%3Da", 400],
    ["GET", "pods?watch=true", 405],
    ["DELETE", "namespaces/default/pods/web", 405],
  ])("%s %s is %d, as a Status", async (method, path, status) => {
    const answer = await call(`${ROOT}/${path}`, { method });
    expect(answer.status).toBe(status);
    expect(await answer.json()).toMatchObject({ kind: "Status", status: "Failure", code: status });
  });

  test("the API server learns what there is", async () => {
    const { resources } = await bodyOf(await call(ROOT));
    expect(resources.map(({ kind }: { kind: string }) => kind)).toEqual([
      "NodeMetrics",
      "PodMetrics",
    ]);
    expect((await call("/apis")).status).toBe(200);
    const json = "application/json;g=apidiscovery.k8s.io";
    const accept = (version: string) => ({
      ...JANE,
      accept: `${json};v=${version};as=APIGroupDiscoveryList`,
    });
    const all = await call("/apis", { headers: accept("v2") });
    expect(all.headers.get("content-type")).toBe(accept("v2").accept);
    expect(await all.json()).toMatchObject({ items: [{ metadata: { name: "metrics.k8s.io" } }] });
    expect((await call("/apis", { headers: accept("v2beta1") })).status).toBe(406);
    expect(await (await call("/openapi/v2")).json()).toMatchObject({ swagger: "2.0" });
    expect(asked[0]?.access).toEqual({ verb: "get", path: ROOT });
  });

  test("numbers that cannot be read are 503, and a bug is not shown", async () => {
    usages = () => Promise.reject(new FksError("Unavailable", "the Machines are away"));
    const away = await call(`${ROOT}/pods`);
    expect([away.status, (await bodyOf(away)).message]).toEqual([503, "the Machines are away"]);
    expect(log.lines).toEqual([]);

    usages = () => Promise.reject(new TypeError("x is undefined"));
    const broken = await call(`${ROOT}/pods`);
    expect([broken.status, (await bodyOf(broken)).message]).toEqual([
      500,
      "Internal error occurred",
    ]);
    expect(log.lines).toHaveLength(1);
  });
});
