import { expect, test } from "bun:test";
import {
  array,
  assert,
  boolean,
  constantFrom,
  option,
  property,
  record,
  shuffledSubarray,
} from "fast-check";
import type { Machine } from "../fly/machine.ts";
import { type ClusterNames, clusterNames } from "./cluster-names.ts";
import { machineNames } from "./machine-names.ts";
import type { NamedService, NamedSlice } from "./service-records.ts";
import type { Found, Zone } from "./zone.ts";

const NAMESPACES = ["a", "b"];
const ADDRESSES = ["10.0.0.1", "10.0.0.2", "fdaa::1"];
const SERVICES = ["web", "db"];

type Change = (names: ClusterNames) => void;

/** One object as it is from now on; the last change of each object is what a world is. */
interface Step {
  readonly object: string;
  readonly change: Change;
}

/** No two Services have one. */
const OWN_ADDRESSES: Readonly<Record<string, string>> = {
  "a/web": "10.9.0.1",
  "a/db": "10.9.0.2",
  "b/web": "10.9.0.3",
  "b/db": "10.9.0.4",
};

const service = record({
  namespace: constantFrom(...NAMESPACES),
  name: constantFrom(...SERVICES),
  kind: option(constantFrom("headless", "external", "own"), { nil: undefined }),
}).map(({ namespace, name, kind }): Step => {
  const key = `${namespace}/${name}`;
  const is = kind === undefined ? undefined : serviceOf(namespace, name, kind);
  return { object: `service ${key}`, change: (names) => names.service(key, is) };
});

const slice = record({
  namespace: constantFrom(...NAMESPACES),
  name: constantFrom("s1", "s2"),
  service: constantFrom(...SERVICES),
  isGone: boolean(),
  addresses: shuffledSubarray(ADDRESSES),
  hostname: option(constantFrom("h0", "h1"), { nil: undefined }),
}).map(({ namespace, name, service: of, isGone, addresses, hostname }): Step => {
  const key = `${namespace}/${name}`;
  const is: NamedSlice = {
    metadata: { name, namespace },
    service: of,
    ports: [{ name: "http", protocol: "TCP", port: 80 }],
    endpoints: addresses.map((address) => ({
      addresses: [address],
      isReady: true,
      ...(hostname === undefined ? {} : { hostname }),
    })),
  };
  return {
    object: `slice ${key}`,
    change: (names) => names.slice(key, isGone ? undefined : is),
  };
});

const namespace = record({
  name: constantFrom(...NAMESPACES),
  is: option(constantFrom("app", undefined), { nil: null }),
}).map(({ name, is }): Step => {
  // Two namespaces never have one App.
  const app = is === undefined ? undefined : `${is}-${name}`;
  return {
    object: `namespace ${name}`,
    change: (names) => names.namespace(name, is === null ? undefined : { app }),
  };
});

const steps = array(
  constantFrom(service, slice, namespace).chain((one) => one),
  { minLength: 1, maxLength: 25 },
);

function serviceOf(inNamespace: string, name: string, kind: string): NamedService {
  const metadata = { name, namespace: inNamespace };
  const ports = [{ name: "http", protocol: "TCP", port: 80 } as const];
  if (kind === "external") {
    const spec = { clusterIP: "", clusterIPs: [], ports: [], externalName: "example.com" };
    return { metadata, spec: { type: "ExternalName", ...spec } };
  }
  const own = OWN_ADDRESSES[`${inNamespace}/${name}`] ?? "";
  const clusterIP = kind === "headless" ? "None" : own;
  return { metadata, spec: { type: "ClusterIP", clusterIP, clusterIPs: [clusterIP], ports } };
}

function worldOf(): ClusterNames {
  return clusterNames({ domain: "cluster.local", resolver: "fdaa::3", hasPod: () => false });
}

const HOMES = NAMESPACES.flatMap((of) => SERVICES.map((name) => `${name}.${of}.svc.cluster.local`));
const ASKED = [
  ...HOMES,
  ...HOMES.flatMap((home) => ["h0", "10-0-0-1", "_tcp", "_http._tcp"].map((at) => `${at}.${home}`)),
  ...NAMESPACES.map((of) => `${of}.svc.cluster.local`),
  ...NAMESPACES.flatMap((of) => SERVICES.map((name) => `${name}.svc.app-${of}.flycast`)),
  "1.0.0.10.in-addr.arpa",
  "2.0.0.10.in-addr.arpa",
  "1.0.9.10.in-addr.arpa",
  `1.${"0.".repeat(27)}a.a.d.f.ip6.arpa`,
];

function told(zone: Zone): ReadonlyMap<string, string> {
  return new Map(ASKED.map((name) => [name, textOf(zone.find(name))]));
}

/** Records whatever their order. */
function textOf({ records }: Found): string {
  return records === undefined
    ? "nowhere"
    : records
        .map((one) => JSON.stringify(one))
        .toSorted()
        .join();
}

test("a world that came about step by step tells the same as one that is made at once", () => {
  assert(
    property(steps, (all) => {
      const [grown, made] = [worldOf(), worldOf()];
      for (const { change } of all) change(grown);
      for (const { change } of new Map(all.map((step) => [step.object, step])).values()) {
        change(made);
      }
      expect(told(grown)).toEqual(told(made));
    }),
    { numRuns: 1_000 },
  );
});

test("whatever is told of a name stands on something that changes when it does", () => {
  assert(
    property(steps, (all) => {
      const names = worldOf();
      for (const { change } of all) {
        const before = ASKED.map((name) => {
          const found = names.find(name);
          return { name, text: textOf(found), basis: found.basis, version: found.basis?.version };
        });
        change(names);
        for (const { name, text, basis, version } of before) {
          if (basis?.version !== version || basis === undefined) continue;
          expect([name, textOf(names.find(name))]).toEqual([name, text]);
        }
      }
    }),
    { numRuns: 1_000 },
  );
});

const machine = record({
  id: constantFrom("m1", "m2", "m3"),
  app: constantFrom("web", "db"),
  isGone: boolean(),
  isStarted: boolean(),
  region: constantFrom("ams", "fra"),
  tag: constantFrom("x", "y"),
});
const MACHINE_NAMES = ["web", "db"].flatMap((app) => [
  `${app}.internal`,
  `ams.${app}.internal`,
  `m1.vm.${app}.internal`,
  `vm.${app}.internal`,
  `x.tag.kv._metadata.${app}.internal`,
  `kv._metadata.${app}.internal`,
  `all.vms.${app}.internal`,
]);

test("Machines that come, change, move and go leave the names of those that are there", () => {
  assert(
    property(array(machine, { maxLength: 25 }), (all) => {
      const [grown, made] = [machineNames(), machineNames()];
      const last = new Map<string, (typeof all)[number]>();
      for (const one of all) {
        last.delete(one.id);
        last.set(one.id, one);
        if (one.isGone) grown.drop(one.id);
        else grown.put({ app: one.app, machine: machineOf(one) });
      }
      for (const one of last.values()) {
        if (!one.isGone) made.put({ app: one.app, machine: machineOf(one) });
      }
      for (const name of ["_apps.internal", ...MACHINE_NAMES]) {
        expect([name, wordsOf(grown.find(name))]).toEqual([name, wordsOf(made.find(name))]);
      }
      expect(grown.count()).toBe(made.count());
    }),
    { numRuns: 1_000 },
  );
});

/** Lists in TXT records are told in the order of their coming. */
function wordsOf({ records }: Found): readonly string[] | undefined {
  return records
    ?.flatMap((data) =>
      data.type === "TXT" ? data.texts.flatMap((text) => text.split(",")) : [JSON.stringify(data)],
    )
    .toSorted();
}

function machineOf(one: {
  readonly id: string;
  readonly isStarted: boolean;
  readonly region: string;
  readonly tag: string;
}): Machine {
  return {
    id: one.id,
    name: one.id,
    state: one.isStarted ? "started" : "stopped",
    region: one.region,
    instance_id: "x",
    private_ip: `fdaa::${one.id.slice(1)}`,
    created_at: "",
    updated_at: "",
    events: [],
    host_status: "ok",
    config: { metadata: { tag: one.tag } },
  };
}
