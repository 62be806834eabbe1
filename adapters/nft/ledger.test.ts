import { expect, test } from "bun:test";
import {
  array,
  assert,
  boolean,
  constantFrom,
  integer,
  property,
  record,
  subarray,
} from "fast-check";
import { machineAddressFor, networkPlanFor } from "#core/fly/network.ts";
import type { Route } from "#core/service/route.ts";
import { type NftModel, nftModel } from "#test/fakes/nft-model.ts";
import { type Ledger, ledger } from "./ledger.ts";
import { nftPlaceFor } from "./place.ts";

const plan = networkPlanFor("0a1b2c3d");
const place = nftPlaceFor(plan, ["local-a", "local-b"]);
const NONE = { gone: [], come: [] };

function target(serial: number) {
  return { address: machineAddressFor(plan.id, serial), port: 8080 };
}

function route(overrides: Partial<Route> = {}): Route {
  return {
    service: "default/web",
    portName: "",
    protocol: "TCP",
    clusterIP: "fdaa:a1b:2c3d:0:1::5",
    port: 80,
    nodePort: 0,
    internal: "Cluster",
    external: "Cluster",
    targets: [target(1), target(2)],
    local: [],
    anywhere: [],
    ...overrides,
  };
}

const lines = (text: string): readonly string[] => text.trimEnd().split("\n");

test("a first Service is a chain for as many endpoints, and elements", () => {
  const { router, nodePorts } = ledger(place).enter({ gone: [], come: [route()], sources: NONE });

  expect(lines(router)).toEqual([
    "add chain inet services vip_2_0",
    "flush chain inet services vip_2_0",
    "add rule inet services vip_2_0 meta mark set numgen random mod 2 offset 0",
    "add rule inet services vip_2_0 dnat ip6 to meta mark . ip6 daddr . meta l4proto . th dport map @vip_targets",
    "add element inet services vips { 0 . fdaa:a1b:2c3d:0:1::5 . tcp . 80 : goto vip_2_0 }",
    "add element inet services vip_targets { 0 . fdaa:a1b:2c3d:0:1::5 . tcp . 80 : fdaa:a1b:2c3d:a7b:1:0:1:2 . 8080, 1 . fdaa:a1b:2c3d:0:1::5 . tcp . 80 : fdaa:a1b:2c3d:a7b:1:0:2:2 . 8080 }",
  ]);
  expect(nodePorts).toEqual({ gone: [], come: [] });
});

test("one endpoint for another is only what differs", () => {
  const book = ledger(place);
  book.enter({ gone: [], come: [route()], sources: NONE });

  const { router } = book.enter({
    gone: [route()],
    come: [route({ targets: [target(1), target(3)] })],
    sources: NONE,
  });

  expect(lines(router)).toEqual([
    "delete element inet services vip_targets { 1 . fdaa:a1b:2c3d:0:1::5 . tcp . 80 }",
    "add element inet services vip_targets { 1 . fdaa:a1b:2c3d:0:1::5 . tcp . 80 : fdaa:a1b:2c3d:a7b:1:0:3:2 . 8080 }",
  ]);
});

test("by IPv4 only Machines are reached; the host hears of each NodePort once", () => {
  const foreign = { address: plan.apiServer, port: 6443 };
  const { router, nodePorts } = ledger(place).enter({
    gone: [],
    come: [route({ nodePort: 30_080, targets: [target(1), foreign] })],
    sources: NONE,
  });

  expect(router).toContain("nodeports { 0 . tcp . 30080 : goto nodeport_2_0 }");
  expect(router).toContain("nodeports4 { 0 . tcp . 30080 : goto nodeport4_1_0 }");
  expect(router).toContain("nodeport4_targets { 0 . tcp . 30080 : 100.79.64.3 . 8080 }");
  expect(nodePorts.come).toEqual(["tcp . 30080"]);
});

test("a chain with affinity goes with the map it no longer asks, after nothing leads to it", () => {
  const book = ledger(place);
  const sticky = route({ affinitySeconds: 60 });
  book.enter({ gone: [], come: [sticky], sources: NONE });
  const [name = ""] = book.affinityNames();

  const longer = route({ affinitySeconds: 90 });
  book.enter({ gone: [sticky], come: [longer], sources: NONE });
  expect(book.takeStale()).toEqual([`delete map inet services ${name}_60\n`]);

  book.enter({ gone: [longer], come: [], sources: NONE });
  expect(book.takeStale()).toEqual([
    `delete chain inet services ${name}\n`,
    `delete map inet services ${name}_90\n`,
  ]);
  expect(book.takeStale()).toEqual([]);
  expect(book.affinityNames().size).toBe(0);
});

test("a Machine is known with its Node; one of a Node that is not ours is not", () => {
  const sources = {
    gone: [],
    come: [
      { address: "fdaa::9", node: "local-b" },
      { address: "fdaa::8", node: "x" },
    ],
  };

  expect(ledger(place).enter({ gone: [], come: [], sources }).router).toBe(
    "add element inet services sources { fdaa::9 : 131072 }\n",
  );
});

const anyRoute = record({
  service: constantFrom(0, 1, 2, 3),
  serials: subarray([1, 2, 3, 4]),
  affinity: boolean(),
  nodePort: boolean(),
  policy: constantFrom("Cluster" as const, "Local" as const),
  nodes: array(integer({ min: 0, max: 1 }), { minLength: 4, maxLength: 4 }),
}).map(({ service, serials, affinity, nodePort, policy, nodes }) => {
  const ofNode = (at: number) => serials.filter((serial) => nodes[serial - 1] === at).map(target);
  const local = ["local-a", "local-b"]
    .map((node, at) => ({ node, targets: ofNode(at) }))
    .filter(({ targets }) => targets.length > 0);
  return route({
    service: `default/s${service}`,
    clusterIP: `fdaa:a1b:2c3d:0:1::${service}`,
    nodePort: nodePort ? 30_000 + service : 0,
    targets: serials.map(target),
    ...(affinity && { affinitySeconds: 60 }),
    ...(policy === "Local" && {
      internal: policy,
      external: policy,
      local,
      anywhere: serials.map(target),
    }),
  });
});

test("change after change the tables hold what they would hold had they been made anew", () => {
  assert(
    property(array(array(anyRoute, { maxLength: 4 }), { maxLength: 6 }), (steps) => {
      const book = ledger(place);
      const kernel = nftModel();
      let before: readonly Route[] = [];
      for (const step of steps) {
        const now = [...new Map(step.map((one) => [one.service, one])).values()];
        enter(book, kernel, { gone: before, come: now });
        before = now;
      }

      const fresh = nftModel();
      enter(ledger(place), fresh, { gone: [], come: before });
      expect(kernel.elements()).toEqual(fresh.elements());
      expect(kernel.nodePorts()).toEqual(fresh.nodePorts());
      // A verdict leads to a chain that is there, and that is as it would be.
      for (const [name, rules] of fresh.chains()) expect(kernel.chains().get(name)).toEqual(rules);
    }),
  );
});

function enter(
  book: Ledger,
  kernel: NftModel,
  changes: { gone: readonly Route[]; come: readonly Route[] },
): void {
  const { router, nodePorts } = book.enter({ ...changes, sources: NONE });
  kernel.run(router);
  kernel.host(nodePorts);
  for (const statement of book.takeStale()) kernel.run(statement);
}
