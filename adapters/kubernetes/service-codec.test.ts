import { expect, test } from "bun:test";
import { endpointSliceFrom } from "./endpoint-slice-codec.ts";
import { namespaceFrom } from "./namespace-codec.ts";
import { serviceFrom } from "./service-codec.ts";

const metadata = { name: "web", namespace: "default", uid: "u1", resourceVersion: "7" };

test("a Service has the API's defaults", () => {
  const { spec, status } = serviceFrom({ metadata, spec: { ports: [{ port: 80 }] } });
  expect(spec).toMatchObject({
    type: "ClusterIP",
    clusterIP: "",
    sessionAffinity: "None",
    sessionAffinityTimeoutSeconds: 10_800,
    internalTrafficPolicy: "Cluster",
  });
  expect(spec.ports).toMatchObject([{ name: "", protocol: "TCP", port: 80, targetPort: 80 }]);
  expect(status.loadBalancer.ingress).toEqual([]);
});

test("what a Service says is kept", () => {
  const { spec } = serviceFrom({
    metadata,
    spec: {
      type: "NodePort",
      ports: [{ name: "dns", protocol: "UDP", port: 53, targetPort: "dns-udp", nodePort: 30_053 }],
      sessionAffinity: "ClientIP",
      sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 } },
    },
  });
  expect(spec.sessionAffinityTimeoutSeconds).toBe(60);
  expect(spec.ports[0]).toMatchObject({ targetPort: "dns-udp", nodePort: 30_053 });
});

test("an endpoint whose state is unknown is ready", () => {
  const slice = endpointSliceFrom({
    metadata: { ...metadata, labels: { "kubernetes.io/service-name": "web" } },
    addressType: "IPv6",
    endpoints: [
      { addresses: ["fdaa::1"] },
      { addresses: ["fdaa::2"], conditions: { ready: false, serving: true, terminating: true } },
      { addresses: ["fdaa::3"], conditions: { ready: false } },
    ],
    ports: [{ name: "http", port: 8080 }],
  });
  expect(slice.service).toBe("web");
  expect(slice.ports).toEqual([{ name: "http", protocol: "TCP", port: 8080 }]);
  const states = slice.endpoints.map((one) => [one.isReady, one.isServing, one.isTerminating]);
  expect(states).toEqual([
    [true, true, false],
    [false, true, true],
    [false, false, false],
  ]);
});

test("a slice without endpoints and ports is one without any", () => {
  const slice = endpointSliceFrom({ metadata, addressType: "IPv6", endpoints: null, ports: null });
  expect(slice).toMatchObject({ service: "", endpoints: [], ports: [] });
});

test("a Namespace is active until it says otherwise", () => {
  const { namespace: _, ...clusterScoped } = metadata;
  expect(namespaceFrom({ metadata: clusterScoped })).toMatchObject({
    metadata: { labels: {}, finalizers: [] },
    status: { phase: "Active" },
  });
});
