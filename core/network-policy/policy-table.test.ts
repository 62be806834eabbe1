import { describe, expect, test } from "bun:test";
import {
  array,
  assert,
  constantFrom,
  dictionary,
  integer,
  option,
  property,
  record,
  uniqueArray,
} from "fast-check";
import { parse, parseCIDR } from "ipaddr.js";
import { selects } from "../kube/label-selector.ts";
import type {
  Direction,
  NetworkPolicy,
  PolicyPeer,
  PolicyPort,
  PolicyRule,
} from "../kube/network-policy.ts";
import type { PolicyPod } from "./policy-pod.ts";
import { type PolicyTable, policyTableFor } from "./policy-table.ts";

const ALL = { matchLabels: {}, matchExpressions: [] };
const labelled = (app: string) => ({ matchLabels: { app }, matchExpressions: [] });

const pod = (namespace: string, name: string, at: number, http = 8080): PolicyPod => ({
  namespace,
  name,
  labels: { app: name },
  addresses: [`fdaa::${at}`, `100.64.0.${at}`],
  ports: [{ name: "http", protocol: "TCP", port: http }],
});
const WEB = pod("shop", "web", 1);
const DB = pod("shop", "db", 2, 5432);
const STRANGER = pod("other", "web", 3, 9090);
const PODS = [WEB, DB, STRANGER];
const NAMESPACES = new Map([
  ["shop", { name: "shop" }],
  ["other", { name: "other" }],
]);

function policy(
  name: string,
  spec: Partial<NetworkPolicy["spec"]>,
  namespace = "shop",
): NetworkPolicy {
  const policyTypes: Direction[] = ["Ingress"];
  return {
    metadata: { name, namespace, uid: `uid-${name}` },
    spec: { podSelector: ALL, policyTypes, ingress: [], egress: [], ...spec },
  };
}

interface Packet {
  readonly from: string;
  readonly to: string;
  readonly protocol: "TCP" | "UDP";
  readonly port: number;
}

/** What the rules made of a table do with the first packet of a connection. */
function isLet({ chains, isolations }: PolicyTable, packet: Packet): boolean {
  const passes = (direction: Direction, address: string, peer: string): boolean => {
    const isolation = isolations.find((it) => it.direction === direction && it.address === address);
    if (isolation === undefined) return true;
    return isolation.chains
      .flatMap((name) => chains.get(name)?.allowances ?? [])
      .some(
        ({ peers, ports }) =>
          (peers === undefined || (isIn(peer, peers.members) && !isIn(peer, peers.except))) &&
          (ports === undefined ||
            ports.some(
              ({ protocol, from, to }) =>
                protocol === packet.protocol && from <= packet.port && packet.port <= to,
            )),
      );
  };
  return passes("Egress", packet.from, packet.to) && passes("Ingress", packet.to, packet.from);
}

function isIn(address: string, members: readonly string[]): boolean {
  const parsed = parse(address);
  return members.some((member) => {
    const [range, bits] = member.includes("/")
      ? parseCIDR(member)
      : ([parse(member), member.includes(":") ? 128 : 32] as const);
    return parsed.kind() === range.kind() && parsed.match(range, bits);
  });
}

const [web = "", db = "", stranger = ""] = PODS.flatMap(({ addresses }) => addresses.slice(0, 1));
const tcp = (from: string, to: string, port: number): Packet => ({
  from,
  to,
  protocol: "TCP",
  port,
});
const tableOf = (...policies: NetworkPolicy[]): PolicyTable =>
  policyTableFor({ policies, pods: PODS, namespaces: NAMESPACES });

describe("a Pod that a policy selects", () => {
  test("takes nothing that no policy allows, and may still speak itself", () => {
    const table = tableOf(policy("deny", { podSelector: labelled("db") }));
    expect(isLet(table, tcp(web, db, 5432))).toBe(false);
    expect(isLet(table, tcp("100.64.0.1", "100.64.0.2", 5432))).toBe(false);
    expect(isLet(table, tcp(db, web, 80))).toBe(true);
    expect(isLet(table, tcp(stranger, web, 80))).toBe(true);
  });

  test("takes what any of its policies allows", () => {
    const rule: PolicyRule = {
      peers: [{ podSelector: labelled("web") }],
      ports: [{ protocol: "TCP", port: 5432 }],
    };
    const table = tableOf(
      policy("deny", { podSelector: labelled("db") }),
      policy("allow", { podSelector: labelled("db"), ingress: [rule] }),
    );
    expect(isLet(table, tcp(web, db, 5432))).toBe(true);
    expect(isLet(table, tcp(web, db, 5433))).toBe(false);
    expect(isLet(table, { ...tcp(web, db, 5432), protocol: "UDP" })).toBe(false);
    // Of the same labels, in another namespace.
    expect(isLet(table, tcp(stranger, db, 5432))).toBe(false);
  });

  test("of another namespace's Pods takes those the selectors mean together", () => {
    const peers = [{ namespaceSelector: { ...ALL, matchLabels: { name: "other" } } }];
    const table = tableOf(policy("other", { ingress: [{ peers, ports: [] }] }));
    expect(isLet(table, tcp(stranger, db, 1))).toBe(true);
    expect(isLet(table, tcp(web, db, 1))).toBe(false);
    const both = peers.map((peer) => ({ ...peer, podSelector: labelled("nobody") }));
    const none = tableOf(policy("none", { ingress: [{ peers: both, ports: [] }] }));
    expect(isLet(none, tcp(stranger, db, 1))).toBe(false);
  });

  test("takes from ranges of addresses, exceptions left out", () => {
    const ipBlock = { cidr: "100.64.0.0/24", except: ["100.64.0.3/32"] };
    const table = tableOf(policy("block", { ingress: [{ peers: [{ ipBlock }], ports: [] }] }));
    expect(isLet(table, tcp("100.64.0.1", "100.64.0.2", 1))).toBe(true);
    expect(isLet(table, tcp("100.64.0.3", "100.64.0.2", 1))).toBe(false);
    expect(isLet(table, tcp(web, db, 1))).toBe(false);
  });

  test("an empty rule lets everybody in, a range of ports both its ends", () => {
    const open = tableOf(policy("open", { ingress: [{ peers: [], ports: [] }] }));
    expect(isLet(open, tcp("192.0.2.1", "100.64.0.1", 1))).toBe(true);
    const ports = [{ protocol: "TCP" as const, port: 100, endPort: 200 }];
    const range = tableOf(policy("range", { ingress: [{ peers: [], ports }] }));
    expect([99, 100, 200, 201].map((port) => isLet(range, tcp(web, db, port)))).toEqual([
      false,
      true,
      true,
      false,
    ]);
  });
});

describe("a port's name", () => {
  const named = [{ protocol: "TCP" as const, port: "http" }];

  test("on the way in means the selected Pod's own", () => {
    const table = tableOf(policy("named", { ingress: [{ peers: [], ports: named }] }));
    expect(isLet(table, tcp(stranger, web, 8080))).toBe(true);
    expect(isLet(table, tcp(stranger, web, 5432))).toBe(false);
    expect(isLet(table, tcp(stranger, db, 5432))).toBe(true);
  });

  test("on the way out means each peer's own", () => {
    const policyTypes: Direction[] = ["Egress"];
    const egress = [{ peers: [{ namespaceSelector: ALL }], ports: named }];
    const table = tableOf(policy("named", { policyTypes, egress, podSelector: labelled("web") }));
    expect(isLet(table, tcp(web, db, 5432))).toBe(true);
    expect(isLet(table, tcp(web, db, 8080))).toBe(false);
    expect(isLet(table, tcp(web, stranger, 9090))).toBe(true);
  });
});

test("a set's name stays when its members change", () => {
  const rule: PolicyRule = { peers: [{ podSelector: ALL }], ports: [] };
  const of = (pods: readonly PolicyPod[]) =>
    policyTableFor({
      policies: [policy("peers", { ingress: [rule] })],
      pods,
      namespaces: NAMESPACES,
    });
  const [before, after] = [of([WEB]), of([WEB, DB])].map(
    ({ chains }) => [...chains.values()][0]?.allowances[0]?.peers,
  );
  expect(before?.name).toBe(after?.name ?? "");
  expect(after?.members.length).toBe(4);
});

describe("any policies", () => {
  const labels = dictionary(constantFrom("app", "tier"), constantFrom("a", "b"), { maxKeys: 2 });
  const selector = record({
    matchLabels: labels,
    matchExpressions: array(
      record({
        key: constantFrom("app", "tier"),
        operator: constantFrom("In" as const, "NotIn" as const, "Exists" as const),
        values: array(constantFrom("a", "b"), { minLength: 1, maxLength: 2 }),
      }),
      { maxLength: 1 },
    ),
  });
  const peer = record({
    podSelector: option(selector, { nil: undefined }),
    namespaceSelector: option(selector, { nil: undefined }),
  }).map(
    (made): PolicyPeer =>
      (made.podSelector ?? made.namespaceSelector)
        ? made
        : { ipBlock: { cidr: "fdaa::/126", except: ["fdaa::2/128"] } },
  );
  const port = record({
    protocol: constantFrom("TCP" as const, "UDP" as const),
    port: constantFrom(80, "http", undefined),
  });
  const rule = record({
    peers: array(peer, { maxLength: 2 }),
    ports: array(port, { maxLength: 2 }),
  });
  const spec = record({
    podSelector: selector,
    policyTypes: uniqueArray(constantFrom("Ingress" as const, "Egress" as const), { minLength: 1 }),
    ingress: array(rule, { maxLength: 2 }),
    egress: array(rule, { maxLength: 2 }),
  });
  const world = record({
    pods: array(
      record({ namespace: constantFrom("shop", "other"), labels, http: constantFrom(80, 81) }),
      {
        minLength: 2,
        maxLength: 5,
      },
    ),
    policies: array(record({ namespace: constantFrom("shop", "other"), spec }), { maxLength: 4 }),
    packet: record({
      from: integer({ min: 0, max: 4 }),
      to: integer({ min: 0, max: 4 }),
      protocol: constantFrom("TCP" as const, "UDP" as const),
      port: constantFrom(80, 81, 9),
    }),
  });

  test("let through what the words of the API say", () => {
    assert(
      property(world, ({ pods: made, policies: written, packet }) => {
        const pods = made.map(
          ({ namespace, labels: own, http }, at): PolicyPod => ({
            namespace,
            name: `p${at}`,
            labels: own,
            addresses: [`fdaa::${at + 1}`],
            ports: [{ name: "http", protocol: "TCP", port: http }],
          }),
        );
        const policies = written.map(({ namespace, spec: said }, at) =>
          policy(`n${at}`, said, namespace),
        );
        const from = pods[packet.from % pods.length];
        const to = pods[packet.to % pods.length];
        if (from === undefined || to === undefined) return;
        const { protocol, port: number } = packet;
        const table = policyTableFor({ policies, pods, namespaces: NAMESPACES });
        const sent = {
          from: from.addresses[0] ?? "",
          to: to.addresses[0] ?? "",
          protocol,
          port: number,
        };
        const expected =
          allows("Egress", { subject: from, peer: to, target: to }, policies, packet) &&
          allows("Ingress", { subject: to, peer: from, target: to }, policies, packet);
        expect(isLet(table, sent)).toBe(expected);
      }),
      { numRuns: 2_000 },
    );
  });

  interface Parties {
    readonly subject: PolicyPod;
    readonly peer: PolicyPod;
    /** Whose ports are meant. */
    readonly target: PolicyPod;
  }

  /** The API's words, one packet at a time. */
  function allows(
    direction: Direction,
    { subject, peer: other, target }: Parties,
    policies: readonly NetworkPolicy[],
    packet: Pick<Packet, "protocol" | "port">,
  ): boolean {
    const mine = policies.filter(
      ({ metadata, spec: said }) =>
        metadata.namespace === subject.namespace &&
        said.policyTypes.includes(direction) &&
        selects(said.podSelector, subject.labels),
    );
    if (mine.length === 0) return true;
    const address = other.addresses[0] ?? "";
    const isPeer = (
      namespace: string,
      meant: PolicyPeer | undefined,
      isNamed: boolean,
    ): boolean => {
      if (meant === undefined) return true;
      const { ipBlock, podSelector = ALL, namespaceSelector } = meant;
      if (ipBlock !== undefined) {
        // A name needs a Pod that has it.
        const knowsNames = direction === "Ingress" || !isNamed;
        return knowsNames && isIn(address, [ipBlock.cidr]) && !isIn(address, ipBlock.except);
      }
      const isThere =
        namespaceSelector === undefined
          ? other.namespace === namespace
          : selects(namespaceSelector, NAMESPACES.get(other.namespace) ?? { name: "" });
      return isThere && selects(podSelector, other.labels);
    };
    const isPort = (meant: PolicyPort | undefined): boolean => {
      if (meant === undefined) return true;
      if (meant.protocol !== packet.protocol) return false;
      const { port: wanted = packet.port } = meant;
      return typeof wanted === "number"
        ? wanted === packet.port
        : meant.protocol === "TCP" && target.ports[0]?.port === packet.port;
    };
    return mine.some(({ metadata, spec: said }) =>
      (direction === "Ingress" ? said.ingress : said.egress).some(({ peers, ports }) =>
        (peers.length === 0 ? [undefined] : peers).some((one) =>
          (ports.length === 0 ? [undefined] : ports).some(
            (meant) =>
              isPort(meant) && isPeer(metadata.namespace, one, typeof meant?.port === "string"),
          ),
        ),
      ),
    );
  }
});
