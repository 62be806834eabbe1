import { expect, test } from "bun:test";
import { assert, property, shuffledSubarray } from "fast-check";
import { endpointSlices, service, sliceOf } from "#test/fixtures/services.ts";
import { canonicalIp } from "../fly/ip.ts";
import { routesFor } from "./route.ts";

const LEAVING = { isReady: false, isServing: true, isTerminating: true };
const NOT_READY = { isReady: false, isServing: false, isTerminating: false };

const first = (...args: Parameters<typeof routesFor>) => routesFor(...args)[0];

test("a port leads to the ready endpoints of the slices' port of its name and protocol", () => {
  const web = service({
    ports: [
      { name: "http", port: 80, targetPort: "web", nodePort: 30_080 },
      { name: "dns", protocol: "UDP", port: 53 },
    ],
  });
  const ports = [
    { name: "http", protocol: "TCP" as const, port: 8080 },
    { name: "dns", protocol: "UDP" as const, port: 5353 },
    { name: "http", protocol: "UDP" as const, port: 9 },
  ];
  const slices = [
    sliceOf(
      [{ address: "fdaa::2" }, { address: "FDAA:0::1" }, { address: "fdaa::3", ...NOT_READY }],
      { ports },
    ),
  ];

  expect(routesFor(web, slices)).toEqual([
    {
      service: "default/web",
      portName: "http",
      protocol: "TCP",
      clusterIP: "fdaa:1:2:0:1::5",
      port: 80,
      nodePort: 30_080,
      internal: "Cluster",
      external: "Cluster",
      targets: [
        { address: "fdaa::1", port: 8080 },
        { address: "fdaa::2", port: 8080 },
      ],
      local: [],
      anywhere: [],
    },
    expect.objectContaining({
      portName: "dns",
      protocol: "UDP",
      targets: [
        { address: "fdaa::1", port: 5353 },
        { address: "fdaa::2", port: 5353 },
      ],
    }),
  ]);
});

test.each([
  ["headless", { clusterIP: "None" }],
  ["not given an address yet", { clusterIP: "" }],
  ["of type ExternalName", { type: "ExternalName" as const, clusterIP: "" }],
  ["of IPv4", { clusterIP: "10.0.0.1" }],
])("a Service that is %s has no routes", (_, spec) => {
  expect(routesFor(service(spec), [sliceOf([{ address: "fdaa::1" }])])).toEqual([]);
});

test("a Service without endpoints keeps its routes, with nobody at their end", () => {
  expect(first(service(), [])?.targets).toEqual([]);
});

test("slices of another family, and ports without a number, lead nowhere", () => {
  const slices = [
    sliceOf([{ address: "100.64.0.3" }], { addressType: "IPv4" }),
    sliceOf([{ address: "fdaa::1" }], { ports: [{ name: "", protocol: "TCP" }] }),
  ];

  expect(first(service(), slices)?.targets).toEqual([]);
});

test("endpoints that leave serve only while nobody else is ready", () => {
  const leaving = { address: "fdaa::2", ...LEAVING };

  expect(first(service(), [sliceOf([{ address: "fdaa::1" }, leaving])])?.targets).toEqual([
    { address: "fdaa::1", port: 8080 },
  ]);
  expect(
    first(service(), [sliceOf([leaving, { address: "fdaa::3", ...NOT_READY }])])?.targets,
  ).toEqual([{ address: "fdaa::2", port: 8080 }]);
});

test("of an endpoint that moves from slice to slice the ready one counts, once", () => {
  const slices = [
    sliceOf([{ address: "fdaa::1", ...NOT_READY }]),
    sliceOf([{ address: "fdaa::1" }]),
    sliceOf([{ address: "fdaa::1", ...LEAVING }]),
  ];

  expect(first(service(), slices)?.targets).toEqual([{ address: "fdaa::1", port: 8080 }]);
});

test("policy Local tells who answers on each Node, each with its own that leave", () => {
  const slices = [
    sliceOf([
      { address: "fdaa::1", nodeName: "a" },
      { address: "fdaa::2", nodeName: "a", ...LEAVING },
      { address: "fdaa::3", nodeName: "b", ...LEAVING },
      { address: "fdaa::4", nodeName: "c", ...NOT_READY },
      { address: "fdaa::5" },
    ]),
  ];
  const route = first(service({ internalTrafficPolicy: "Local" }), slices);

  expect(route?.targets.map(({ address }) => address)).toEqual(["fdaa::1", "fdaa::5"]);
  expect(route?.local).toEqual([
    { node: "a", targets: [{ address: "fdaa::1", port: 8080 }] },
    { node: "b", targets: [{ address: "fdaa::3", port: 8080 }] },
  ]);
  expect(route?.anywhere.map(({ address }) => address)).toEqual(["fdaa::1", "fdaa::3"]);
});

test("ClientIP affinity lasts as long as the Service says", () => {
  const sticky = service({ sessionAffinity: "ClientIP", sessionAffinityTimeoutSeconds: 90 });

  expect(first(sticky, [])?.affinitySeconds).toBe(90);
  expect(first(service(), [])).not.toHaveProperty("affinitySeconds");
});

test("whatever the slices hold: nobody twice, nobody who neither is ready nor serves, whatever their order", () => {
  assert(
    property(endpointSlices, (slices) => {
      const local = service({ externalTrafficPolicy: "Local" });
      const route = first(local, slices);
      const seen = route?.targets.map(({ address, port }) => `${address} ${port}`) ?? [];
      expect(new Set(seen).size).toBe(seen.length);

      const endpoints = slices.flatMap((slice) => slice.endpoints);
      for (const { address } of [...(route?.targets ?? []), ...(route?.anywhere ?? [])]) {
        const own = endpoints.filter(({ addresses }) =>
          addresses.map(canonicalIp).includes(address),
        );
        expect(
          own.some(
            ({ isReady, isServing, isTerminating }) => isReady || (isServing && isTerminating),
          ),
        ).toBe(true);
      }
      const isAnyReady = slices.some(
        ({ addressType, endpoints: own, ports }) =>
          addressType === "IPv6" && ports.length > 0 && own.some(({ isReady }) => isReady),
      );
      if (isAnyReady) expect(seen).not.toEqual([]);
    }),
  );
  assert(
    property(
      endpointSlices.chain((slices) =>
        shuffledSubarray([...slices], { minLength: slices.length }).map(
          (shuffled) => [slices, shuffled] as const,
        ),
      ),
      ([slices, shuffled]) => {
        const addresses = (from: typeof slices) => first(service(), from)?.targets;
        expect(addresses(shuffled)).toEqual(addresses(slices));
      },
    ),
  );
});
