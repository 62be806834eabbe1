import { describe, expect, test } from "bun:test";
import ipaddr from "ipaddr.js";
import { type Answered, answerFor } from "./answer.ts";
import { type ClusterNames, clusterNames } from "./cluster-names.ts";
import { RCODE } from "./message.ts";
import { type RecordData, TYPE } from "./record.ts";
import type { NamedService, NamedSlice } from "./service-records.ts";

type Spec = Partial<NamedService["spec"]>;

function service(name: string, spec: Spec = {}, namespace = "default"): NamedService {
  const given: NamedService["spec"] = {
    type: "ClusterIP",
    clusterIP: spec.clusterIPs?.[0] ?? "",
    clusterIPs: [],
    ports: [],
  };
  return { metadata: { name, namespace }, spec: { ...given, ...spec } };
}

const HEADLESS: Spec = { clusterIP: "None", clusterIPs: ["None"] };
const HTTP = { name: "http", protocol: "TCP", port: 80 } as const;

function slice(
  name: string,
  of: string,
  endpoints: readonly (readonly [address: string, hostname?: string, isReady?: boolean])[],
  ports: NamedSlice["ports"] = [HTTP],
): NamedSlice {
  return {
    metadata: { name, namespace: "default" },
    service: of,
    ports,
    endpoints: endpoints.map(([address, hostname, isReady = true]) => ({
      addresses: [address],
      isReady,
      ...(hostname === undefined ? {} : { hostname }),
    })),
  };
}

/** A cluster with one namespace and these objects. */
function world(services: readonly NamedService[], slices: readonly NamedSlice[] = []) {
  const names = clusterNames({
    domain: "cluster.local",
    resolver: "fdaa::3",
    hasPod: (address, namespace) => address === "fdaa:1:2::7" && namespace === "default",
  });
  names.namespace("default", { app: "fks-default-x" });
  for (const one of services) names.service(keyOf(one), one);
  for (const one of slices) names.slice(keyOf(one), one);
  return names;
}

function keyOf({ metadata }: NamedService | NamedSlice): string {
  return `${metadata.namespace}/${metadata.name}`;
}

function asked(names: ClusterNames, name: string, type: number): Answered {
  const asking = { turn: 0, searches: () => [] };
  const answer = answerFor({ name, type, class: 1 }, names, asking);
  if (answer.kind !== "answer") throw new Error(`no answer but ${answer.kind}`);
  return answer;
}

/** Records as text, or the reason why there are none. */
function found(names: ClusterNames, name: string, type: keyof typeof TYPE = "AAAA") {
  const { rcode, answers } = asked(names, name, TYPE[type]);
  if (rcode === RCODE.nxDomain) return "no such name";
  return answers.map(({ data }) => textOf(data));
}

function textOf(data: RecordData): string {
  switch (data.type) {
    case "A":
      return data.address.join(".");
    case "AAAA":
      return new ipaddr.IPv6([...data.address]).toRFC5952String();
    case "SRV":
      return `${data.priority} ${data.weight} ${data.port} ${data.target}`;
    case "TXT":
      return data.texts.join("");
    case "CNAME":
    case "NS":
    case "PTR":
      return data.target;
    case "SOA":
    case "other":
      return data.type;
  }
}

describe("a Service with an address", () => {
  const names = world([
    service("web", {
      clusterIPs: ["fdaa:1:2:0:1::5"],
      ports: [HTTP, { ...HTTP, name: "", port: 9 }],
    }),
    service("both", { clusterIPs: ["10.0.0.5", "fdaa:1:2:0:1::6"] }),
  ]);

  test("is found by its name, whatever its case", () => {
    expect(found(names, "Web.default.SVC.cluster.local")).toEqual(["fdaa:1:2:0:1::5"]);
    expect(found(names, "web.default.svc.cluster.local", "A")).toEqual([]);
    expect(found(names, "both.default.svc.cluster.local", "A")).toEqual(["10.0.0.5"]);
  });

  test("tells the ports that have names by SRV, with the address beside", () => {
    const name = "_http._tcp.web.default.svc.cluster.local";
    expect(found(names, name, "SRV")).toEqual(["0 100 80 web.default.svc.cluster.local"]);
    expect(asked(names, name, TYPE.SRV).additionals).toMatchObject([
      { name: "web.default.svc.cluster.local", data: { type: "AAAA" } },
    ]);
    expect(found(names, "_http._udp.web.default.svc.cluster.local", "SRV")).toBe("no such name");
    expect(found(names, "_tcp.web.default.svc.cluster.local", "SRV")).toEqual([]);
    expect(found(names, "web.default.svc.cluster.local", "SRV")).toEqual([
      "0 50 80 web.default.svc.cluster.local",
      "0 50 9 web.default.svc.cluster.local",
    ]);
  });

  test("is found by its address", () => {
    const name = "5.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.0.0.0.0.2.0.0.0.1.0.0.0.a.a.d.f.ip6.arpa";
    expect(found(names, name, "PTR")).toEqual(["web.default.svc.cluster.local"]);
    expect(found(names, "5.0.0.10.in-addr.arpa", "PTR")).toEqual([
      "both.default.svc.cluster.local",
    ]);
  });

  test("has a name below its App", () => {
    expect(found(names, "web.svc.fks-default-x.flycast")).toHaveLength(1);
    expect(found(names, "svc.fks-default-x.flycast")).toEqual([]);
    expect(found(names, "web.svc.other.flycast")).toBe("no such name");
    expect(found(names, "x.web.svc.fks-default-x.flycast")).toBe("no such name");
  });
});

describe("a headless Service", () => {
  const names = world(
    [service("db", HEADLESS)],
    [
      slice("db-1", "db", [
        ["fdaa:1:2::8", "db-0"],
        ["fdaa:1:2::9"],
        ["fdaa:1:2::a", "db-2", false],
      ]),
      slice("db-2", "db", [["10.1.0.1"], ["fdaa:1:2::9"]]),
    ],
  );

  test("has the addresses of its ready endpoints, each once", () => {
    expect(found(names, "db.default.svc.cluster.local")).toHaveLength(2);
    expect(found(names, "db.default.svc.cluster.local", "A")).toEqual(["10.1.0.1"]);
  });

  test("names each endpoint, by its hostname or by its address", () => {
    expect(found(names, "db-0.db.default.svc.cluster.local")).toHaveLength(1);
    expect(found(names, "fdaa-1-2--9.db.default.svc.cluster.local")).toHaveLength(1);
    expect(found(names, "10-1-0-1.db.default.svc.cluster.local", "A")).toEqual(["10.1.0.1"]);
    expect(found(names, "db-2.db.default.svc.cluster.local")).toBe("no such name");
    expect(found(names, "fdaa-1-2--8.db.default.svc.cluster.local")).toBe("no such name");
  });

  test("tells each endpoint's port by SRV", () => {
    expect(found(names, "_http._tcp.db.default.svc.cluster.local", "SRV")).toEqual([
      "0 33 80 db-0.db.default.svc.cluster.local",
      "0 33 80 fdaa-1-2--9.db.default.svc.cluster.local",
      "0 33 80 10-1-0-1.db.default.svc.cluster.local",
    ]);
  });

  test("names endpoints by their addresses", () => {
    expect(found(names, "1.0.1.10.in-addr.arpa", "PTR")).toEqual([
      "10-1-0-1.db.default.svc.cluster.local",
    ]);
  });

  test("has no name while nothing is ready", () => {
    expect(found(world([service("db", HEADLESS)]), "db.default.svc.cluster.local")).toBe(
      "no such name",
    );
  });
});

function external(externalName: string): Spec {
  return { type: "ExternalName", externalName };
}

describe("an ExternalName", () => {
  test("leads to the other name", () => {
    const names = world([service("out", external("example.com."))]);
    const question = { name: "out.default.svc.cluster.local", type: TYPE.A, class: 1 };

    expect(found(names, question.name, "CNAME")).toEqual(["example.com"]);
    expect(answerFor(question, names, { turn: 0, searches: () => [] })).toMatchObject({
      kind: "follow",
      target: "example.com",
      answers: [{ name: question.name, data: { type: "CNAME" } }],
    });
  });

  test("of another Service is answered with that one's address", () => {
    const names = world([
      service("out", external("web.default.svc.cluster.local")),
      service("web", { clusterIPs: ["10.0.0.5"] }),
    ]);
    expect(found(names, "out.default.svc.cluster.local", "A")).toEqual([
      "web.default.svc.cluster.local",
      "10.0.0.5",
    ]);
  });

  test("of itself comes to an end", () => {
    const names = world([service("out", external("out.default.svc.cluster.local"))]);
    expect(found(names, "out.default.svc.cluster.local", "A")).toHaveLength(8);
  });

  test("that is an address leads nowhere", () => {
    const names = world([service("out", external("10.0.0.1"))]);
    expect(found(names, "out.default.svc.cluster.local", "CNAME")).toBe("no such name");
  });
});

describe("the cluster itself", () => {
  const names = world([]);

  test.each<[string, keyof typeof TYPE, string[] | string]>([
    ["dns-version.cluster.local", "TXT", ["1.1.0"]],
    ["cluster.local", "NS", ["ns.dns.cluster.local"]],
    ["cluster.local", "SOA", ["SOA"]],
    ["ns.dns.cluster.local", "AAAA", ["fdaa::3"]],
    ["svc.cluster.local", "A", []],
    ["default.svc.cluster.local", "A", []],
    ["other.svc.cluster.local", "A", "no such name"],
    ["default.pod.cluster.local", "A", []],
    ["x.cluster.local", "A", "no such name"],
    ["fdaa-1-2--7.default.pod.cluster.local", "AAAA", ["fdaa:1:2::7"]],
    ["fdaa-1-2--7.other.pod.cluster.local", "AAAA", "no such name"],
    ["fdaa-1-2--8.default.pod.cluster.local", "AAAA", "no such name"],
    ["no-address.default.pod.cluster.local", "AAAA", "no such name"],
  ])("%s %s", (name, type, expected) => {
    expect(found(names, name, type)).toEqual(expected);
  });
});

describe("changes", () => {
  test("of a Service are seen at once, and forgotten with it", () => {
    const names = world([service("web", { clusterIPs: ["10.0.0.5"] })]);
    const name = "web.default.svc.cluster.local";

    names.service("default/web", service("web", { clusterIPs: ["10.0.0.6"] }));
    expect(found(names, name, "A")).toEqual(["10.0.0.6"]);
    expect(found(names, "6.0.0.10.in-addr.arpa", "PTR")).toEqual([name]);
    names.service("default/web", undefined);
    expect(found(names, name, "A")).toBe("no such name");
    expect(names.find("6.0.0.10.in-addr.arpa").records).toBeUndefined();
  });

  test("of an EndpointSlice move endpoints to the Service that it now names", () => {
    const names = world(
      [service("db", HEADLESS), service("cache", HEADLESS)],
      [slice("s", "db", [["10.1.0.1"]])],
    );

    names.slice("default/s", slice("s", "cache", [["10.1.0.1"]]));

    expect(found(names, "db.default.svc.cluster.local", "A")).toBe("no such name");
    expect(found(names, "cache.default.svc.cluster.local", "A")).toEqual(["10.1.0.1"]);
    names.slice("default/s", undefined);
    expect(found(names, "cache.default.svc.cluster.local", "A")).toBe("no such name");
  });

  test("a slice may come before its Service", () => {
    const names = world([], [slice("s", "db", [["10.1.0.1"]])]);
    names.service("default/db", service("db", HEADLESS));
    expect(found(names, "db.default.svc.cluster.local", "A")).toEqual(["10.1.0.1"]);
  });

  test("what an answer stands on changes with it, and with nothing else", () => {
    const names = world([service("web", { clusterIPs: ["10.0.0.5"] }), service("other")]);
    const { basis } = names.find("web.default.svc.cluster.local");
    const before = basis?.version;

    names.service("default/other", service("other", { clusterIPs: ["10.0.0.9"] }));
    expect(basis?.version).toBe(before ?? -1);
    names.service("default/web", service("web", { clusterIPs: ["10.0.0.6"] }));
    expect(basis?.version).not.toBe(before ?? -1);
  });

  test("what an address leads to stands on everything that has addresses", () => {
    const names = world([service("db", HEADLESS)], [slice("s", "db", [["10.1.0.1", "a"]])]);
    const { basis } = names.find("1.0.1.10.in-addr.arpa");
    const before = basis?.version;

    names.slice("default/s", slice("s", "db", [["10.1.0.1", "b"]]));

    expect(basis?.version).not.toBe(before ?? -1);
    expect(found(names, "1.0.1.10.in-addr.arpa", "PTR")).toEqual([
      "b.db.default.svc.cluster.local",
    ]);
  });

  test("a namespace whose label names another App has its names there", () => {
    const names = world([service("web", { clusterIPs: ["10.0.0.5"] })]);
    names.namespace("default", { app: "mine" });
    expect(found(names, "web.svc.mine.flycast", "A")).toEqual(["10.0.0.5"]);
    expect(found(names, "web.svc.fks-default-x.flycast", "A")).toBe("no such name");
    names.namespace("default", undefined);
    expect(found(names, "web.svc.mine.flycast", "A")).toBe("no such name");
    expect(found(names, "default.svc.cluster.local", "A")).toBe("no such name");
  });
});
