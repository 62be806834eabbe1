import { expect, test } from "bun:test";
import { fakeApiServer, statusAnswer } from "#test/fakes/api-server.ts";
import { fakeClock } from "#test/fakes/clock.ts";
import { kubernetesClient } from "./client.ts";
import { registerMetricsApi } from "./metrics-service.ts";

const never = new AbortController().signal;

function registered(api: ReturnType<typeof fakeApiServer>): Promise<boolean> {
  const client = kubernetesClient({ server: api.url, clock: fakeClock() });
  const at = { address: "fdaa::1", port: 4_443 };
  return registerMetricsApi({ client, ca: "PEM", ...at }, never);
}

test("the API server is told where metrics are served, and by whom they are signed", async () => {
  await using api = fakeApiServer();
  api.answerOnce("GET", /apiservices/, () => statusAnswer(404, "NotFound", "not found"));
  const applied: unknown[] = [];
  for (const path of [/\/services\//, /endpointslices/, /apiservices/]) {
    api.answerOnce("PATCH", path, async (request) => {
      applied.push(await request.json());
      return Response.json({});
    });
  }

  expect(await registered(api)).toBe(true);
  const [service, slice, apiService] = applied;
  expect(service).toMatchObject({ spec: { clusterIP: "None", ports: [{ port: 443 }] } });
  expect(slice).toMatchObject({
    metadata: { labels: { "kubernetes.io/service-name": "fks-metrics" } },
    addressType: "IPv6",
    endpoints: [{ addresses: ["fdaa::1"] }],
    ports: [{ name: "https", port: 4_443 }],
  });
  expect(apiService).toMatchObject({
    spec: {
      service: { namespace: "kube-system", name: "fks-metrics", port: 443 },
      caBundle: Buffer.from("PEM").toString("base64"),
    },
  });
});

test("metrics that somebody else serves stay theirs", async () => {
  await using api = fakeApiServer();
  const metadata = { labels: { "k8s-app": "metrics-server" } };
  api.answerOnce("GET", /apiservices/, () => Response.json({ metadata }));

  expect(await registered(api)).toBe(false);
  expect(api.requests).toHaveLength(1);
});

test("a read that failed registers nothing", async () => {
  await using api = fakeApiServer();
  api.answerOnce("GET", /apiservices/, () => statusAnswer(503, "ServiceUnavailable", "wait"));

  expect(registered(api)).rejects.toThrow("wait");
  expect(api.requests).toHaveLength(1);
});
