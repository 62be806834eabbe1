import { expect, test } from "bun:test";
import { networkPolicyFrom } from "./network-policy-codec.ts";
import { policyPodFrom } from "./policy-pod-codec.ts";

const metadata = { name: "db", namespace: "shop", uid: "u1", resourceVersion: "7" };
const ALL = { matchLabels: {}, matchExpressions: [] };

test("a NetworkPolicy has the API's defaults, and says whom it means in one way", () => {
  const { spec } = networkPolicyFrom({
    metadata,
    spec: {
      podSelector: {},
      policyTypes: ["Ingress", "Egress"],
      ingress: [
        {},
        { from: [{ podSelector: { matchLabels: { app: "web" } } }], ports: [{ port: 80 }] },
      ],
      egress: [
        { to: [{ ipBlock: { cidr: "fdaa::/16" } }], ports: [{ protocol: "UDP", port: "dns" }] },
      ],
    },
  });
  expect(spec.podSelector).toEqual(ALL);
  expect(spec.ingress).toMatchObject([
    { peers: [], ports: [] },
    {
      peers: [{ podSelector: { ...ALL, matchLabels: { app: "web" } } }],
      ports: [{ protocol: "TCP", port: 80 }],
    },
  ]);
  expect(spec.egress).toMatchObject([
    {
      peers: [{ ipBlock: { cidr: "fdaa::/16", except: [] } }],
      ports: [{ protocol: "UDP", port: "dns" }],
    },
  ]);
});

test("of a Pod policies see its labels, addresses and named ports, sidecars' too", () => {
  const pod = policyPodFrom({
    metadata: { ...metadata, labels: { app: "db" } },
    spec: {
      containers: [{ ports: [{ name: "sql", containerPort: 5432 }, { containerPort: 1 }] }],
      initContainers: [
        { ports: [{ name: "gone", containerPort: 2 }] },
        { restartPolicy: "Always", ports: [{ name: "proxy", protocol: "UDP", containerPort: 3 }] },
      ],
    },
    status: { phase: "Running", podIPs: [{ ip: "fdaa::1" }] },
  });
  expect(pod).toEqual({
    metadata: { name: "db", namespace: "shop", labels: { app: "db" } },
    podIPs: ["fdaa::1"],
    ports: [
      { name: "sql", protocol: "TCP", port: 5432 },
      { name: "proxy", protocol: "UDP", port: 3 },
    ],
    isOver: false,
  });
  expect(
    policyPodFrom({ metadata, spec: { containers: [{}] }, status: { phase: "Failed" } }).isOver,
  ).toBe(true);
});
