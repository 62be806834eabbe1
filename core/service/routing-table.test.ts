import { expect, test } from "bun:test";
import { array, assert, boolean, constantFrom, option, property, record } from "fast-check";
import { service, sliceOf } from "#test/fixtures/services.ts";
import type { EndpointSlice } from "../kube/endpoint-slice.ts";
import type { Service } from "../kube/service.ts";
import type { Route } from "./route.ts";
import { routingTable } from "./routing-table.ts";

function world() {
  const services = new Map<string, Service>();
  const slices = new Map<string, EndpointSlice>();
  return { services, slices, table: routingTable({ services, slices }) };
}

test("a slice that comes, moves to another Service and goes changes only what it touches", () => {
  const { services, slices, table } = world();
  services.set("default/web", service());
  services.set("default/api", service({ clusterIP: "fdaa:1:2:0:1::6" }, "api"));
  table.serviceChanged("default/web");
  table.serviceChanged("default/api");
  slices.set("default/s", sliceOf([{ address: "fdaa::1" }]));
  table.sliceChanged("default/s");
  expect(table.changes()?.come.map(({ service: name, targets }) => [name, targets.length])).toEqual(
    [
      ["default/web", 1],
      ["default/api", 0],
    ],
  );

  slices.set("default/s", sliceOf([{ address: "fdaa::1" }], { service: "api" }));
  table.sliceChanged("default/s");
  expect(table.changes()?.come.map(({ service: name, targets }) => [name, targets.length])).toEqual(
    [
      ["default/web", 0],
      ["default/api", 1],
    ],
  );

  slices.delete("default/s");
  table.sliceChanged("default/s");
  const gone = table.changes();
  expect(gone?.gone.map(({ service: name }) => name)).toEqual(["default/api"]);
  expect(gone?.come[0]?.targets).toEqual([]);
});

test("what says nothing new changes nothing", () => {
  const { services, slices, table } = world();
  services.set("default/web", service());
  slices.set("default/s", sliceOf([{ address: "fdaa::1" }]));
  table.serviceChanged("default/web");
  table.sliceChanged("default/s");
  table.changes();

  slices.set(
    "default/s",
    sliceOf([{ address: "fdaa::1" }, { address: "fdaa::2", isReady: false }]),
  );
  table.sliceChanged("default/s");
  table.sliceChanged("default/unknown");

  expect(table.changes()).toBeUndefined();
});

const step = record({
  service: option(
    record({
      name: constantFrom("web", "api"),
      nodePort: constantFrom(0, 30_080),
      isThere: boolean(),
    }),
  ),
  slice: option(
    record({
      key: constantFrom("default/s", "default/t", "default/u"),
      of: constantFrom("web", "api", ""),
      addresses: array(constantFrom("fdaa::1", "fdaa::2", "fdaa::3"), { maxLength: 3 }),
      isThere: boolean(),
    }),
  ),
  look: boolean(),
});

test("piece by piece the same comes out as from the whole, and the changes add up to it", () => {
  assert(
    property(array(step, { maxLength: 30 }), (steps) => {
      const { services, slices, table } = world();
      const added = new Map<string, Route>();
      const look = (): void => {
        const changes = table.changes();
        for (const route of changes?.gone ?? [])
          expect(added.delete(JSON.stringify(route))).toBe(true);
        for (const route of changes?.come ?? []) added.set(JSON.stringify(route), route);
      };
      for (const { service: changed, slice, look: looks } of steps) {
        if (changed !== null) {
          const key = `default/${changed.name}`;
          if (changed.isThere)
            services.set(key, service({ ports: [{ nodePort: changed.nodePort }] }, changed.name));
          else services.delete(key);
          table.serviceChanged(key);
        }
        if (slice !== null) {
          if (slice.isThere)
            slices.set(
              slice.key,
              sliceOf(
                slice.addresses.map((address) => ({ address })),
                { service: slice.of },
              ),
            );
          else slices.delete(slice.key);
          table.sliceChanged(slice.key);
        }
        if (looks) look();
      }
      look();

      const whole = routingTable({ services, slices });
      for (const key of services.keys()) whole.serviceChanged(key);
      for (const key of slices.keys()) whole.sliceChanged(key);
      whole.changes();
      expect(texts(table.routes())).toEqual(texts(whole.routes()));
      expect(texts([...added.values()])).toEqual(texts(whole.routes()));
    }),
  );
});

function texts(routes: readonly Route[]): readonly string[] {
  return routes.map((route) => JSON.stringify(route)).toSorted();
}
