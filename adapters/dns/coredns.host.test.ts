import { afterAll, beforeAll, expect, test } from "bun:test";
import ipaddr from "ipaddr.js";
import { hostClock } from "#adapters/host/clock.ts";
import { endpointSliceFrom } from "#adapters/kubernetes/endpoint-slice-codec.ts";
import { serviceFrom } from "#adapters/kubernetes/service-codec.ts";
import { answerer } from "#core/dns/answerer.ts";
import { type ClusterNames, clusterNames } from "#core/dns/cluster-names.ts";
import { forwarder } from "#core/dns/forwarder.ts";
import { decode, encode, type Message, RCODE } from "#core/dns/message.ts";
import { rateLimit } from "#core/dns/rate-limit.ts";
import { type DnsRecord, type RecordData, TYPE } from "#core/dns/record.ts";
import { generatedCluster } from "#test/fakes/generated-cluster.ts";
import { memoryLog } from "#test/fakes/log.ts";
import { type ServiceObjects, servicesApi } from "#test/fakes/services-api.ts";
import { buildCoreDns, coreDns } from "#test/programs/coredns.ts";
import { dnsServer } from "./server.ts";
import { upstreamResolver } from "./upstream.ts";

type Ask = (name: string, type: TypeName) => Promise<Message>;
type TypeName = keyof typeof TYPE;

const TYPES: readonly TypeName[] = ["A", "AAAA", "SRV", "PTR", "TXT", "CNAME"];
const cluster = generatedCluster(7, {
  namespaces: 3,
  services: 60,
  endpoints: { min: 0, max: 3 },
});
const scope = new AsyncDisposableStack();
const stop = new AbortController();
let ours: Ask;
let theirs: Ask;

beforeAll(async () => {
  const executable = await buildCoreDns();
  const upstream = scope.adopt(await outside(), (socket) => socket.close());
  const api = scope.use(servicesApi(cluster));
  const peer = scope.use(
    await coreDns(executable, { api: api.url, upstream: `127.0.0.1:${upstream.port}` }),
  );
  const own = await ownServer(upstream.port);
  ours = await asker(own.port);
  theirs = await asker(peer.port);
}, 1_300_000);
afterAll(async () => {
  stop.abort(new Error("over"));
  await scope.disposeAsync();
});

interface Difference {
  readonly why: string;
  readonly applies: (name: string, type: TypeName, own: Shown) => boolean;
}

/** Where we answer something else, each because we want to; docs/dns.md says the same. */
const DIFFERENCES: readonly Difference[] = [
  {
    why: "a name that exists does so whatever type is asked for; CoreDNS knows some for one type only",
    applies: (name, type) =>
      (type === "TXT" && /^((ns0\.)?(svc|pod)\.)?cluster\.local$/.test(name)) ||
      (type !== "TXT" && name.startsWith("dns-version.")) ||
      (type !== "PTR" && name.endsWith(".arpa")),
  },
  {
    why: "a port's name has SRV records only; CoreDNS gives the Service's addresses there, too",
    applies: (name, type) => name.startsWith("_p") && type !== "SRV",
  },
  {
    why: "a port's name has its underscores; CoreDNS takes it without",
    applies: (name) => /^p\d\.(tcp|udp)\./.test(name),
  },
  {
    why: "_tcp exists when names stand below it (RFC 8020); CoreDNS says that it does not",
    applies: (name) => /^_(tcp|udp)\.svc/.test(name),
  },
  {
    why: "a Pod's name has no ports to tell; CoreDNS tells port 0",
    applies: (name, type) => type === "SRV" && name.endsWith(".pod.cluster.local"),
  },
  {
    why: "what no address of the 6PN leads to is nowhere; CoreDNS asks others about it",
    applies: (name, type, { rcode }) =>
      type === "PTR" && name.endsWith(".a.a.d.f.ip6.arpa") && rcode === RCODE.nxDomain,
  },
  {
    why: "an alias is told whatever type is asked for (RFC 1034); CoreDNS tells it for some",
    applies: (name, type) => isExternal(name) && ["SRV", "TXT", "PTR"].includes(type),
  },
];

test("every name of a generated cluster is answered as CoreDNS answers it, or differs for a listed reason", async () => {
  const unexplained: string[] = [];
  const met = new Set<Difference>();
  for (const name of questions()) {
    for (const type of TYPES) {
      const [own, peer] = [shown(await ours(name, type)), shown(await theirs(name, type))];
      if (Bun.deepEquals(own, peer)) continue;
      const reason = DIFFERENCES.find(({ applies }) => applies(name, type, own));
      if (reason === undefined) {
        unexplained.push(`${type} ${name}\n  ours   ${show(own)}\n  theirs ${show(peer)}`);
      } else met.add(reason);
    }
  }

  expect(unexplained.join("\n")).toBe("");
  expect(DIFFERENCES.filter((one) => !met.has(one)).map(({ why }) => why)).toEqual([]);
}, 120_000);

/** Names that are there, names that are nearly there, in one case or another. */
function questions(): readonly string[] {
  const names = new Set([
    "cluster.local",
    "svc.cluster.local",
    "pod.cluster.local",
    "ns0.svc.cluster.local",
    "ns0.pod.cluster.local",
    "none.svc.cluster.local",
    "none.cluster.local",
    "dns-version.cluster.local",
    "none.ns0.svc.cluster.local",
    "svc0.none.svc.cluster.local",
    "a.b.c.svc0.ns0.svc.cluster.local",
    "1-2-3-4.ns0.pod.cluster.local",
    "name1.example",
    "none.example",
  ]);
  for (const { metadata, spec } of cluster.services.map(serviceFrom)) {
    const home = `${metadata.name}.${metadata.namespace}.svc.cluster.local`;
    names.add(home).add(`none.${home}`).add(home.toUpperCase());
    names.add(`_tcp.${home}`).add(`_udp.${home}`);
    for (const { name, protocol } of spec.ports) {
      names.add(`_${name}._${protocol.toLowerCase()}.${home}`);
      names.add(`${name}.${protocol.toLowerCase()}.${home}`);
      names.add(`_${name}._sctp.${home}`);
    }
    for (const ip of spec.clusterIPs) if (ip !== "None") names.add(reverseOf(ip));
  }
  for (const { metadata, service, endpoints } of cluster.endpointslices.map(endpointSliceFrom)) {
    const home = `${service}.${metadata.namespace}.svc.cluster.local`;
    for (const { addresses, hostname } of endpoints) {
      for (const ip of addresses) {
        names.add(`${ip.replaceAll(":", "-")}.${home}`).add(reverseOf(ip));
        names.add(`${ip.replaceAll(":", "-")}.${metadata.namespace}.pod.cluster.local`);
        names.add(`${ip.replaceAll(":", "-")}.ns9.pod.cluster.local`);
      }
      if (hostname !== undefined) names.add(`${hostname}.${home}`);
    }
  }
  return [...names];
}

function isExternal(name: string): boolean {
  const [service] = name.toLowerCase().split(".");
  return cluster.services
    .map(serviceFrom)
    .some(({ metadata, spec }) => metadata.name === service && spec.type === "ExternalName");
}

type Shown = ReturnType<typeof shown>;

/** What must be the same: the code, and records whatever their order. */
function shown({ rcode, answers, authorities, additionals, isTruncated }: Message) {
  return {
    rcode,
    isTruncated,
    answers: answers.map(textOf).toSorted(),
    negative: authorities.flatMap(({ name, data }) =>
      data.type === "SOA" ? [name.toLowerCase()] : [],
    ),
    additionals: additionals.map(textOf).toSorted(),
  };
}

function show({ rcode, answers, negative, additionals }: Shown): string {
  return JSON.stringify({ rcode, answers, negative, additionals });
}

function textOf({ name, data }: DnsRecord): string {
  return `${name.toLowerCase()} ${data.type} ${valueOf(data)}`;
}

function valueOf(data: RecordData): string {
  switch (data.type) {
    case "A":
    case "AAAA":
      return ipaddr.fromByteArray([...data.address]).toString();
    case "SRV":
      return `${data.priority} ${data.weight} ${data.port} ${data.target.toLowerCase()}`;
    case "TXT":
      return data.texts.join("");
    case "CNAME":
    case "NS":
    case "PTR":
      return data.target;
    case "SOA":
      return `${data.primary} ${data.mailbox} ${data.minimumS}`;
    case "other":
      return Buffer.from(data.bytes).toString("hex");
  }
}

function reverseOf(ip: string): string {
  const hex = Buffer.from(ipaddr.parse(ip).toByteArray()).toString("hex");
  return `${hex.split("").toReversed().join(".")}.ip6.arpa`;
}

async function ownServer(upstreamPort: number) {
  const clock = hostClock();
  const probes = {
    probe: () => undefined,
    caught: () => false,
    isLooping: () => false,
    looping: () => [],
  };
  const servers = [{ address: "127.0.0.1", port: upstreamPort }];
  const resolver = upstreamResolver({ servers: () => servers, probes, clock });
  const answers = answerer(
    {
      zone: namesOf(cluster),
      searchesOf: () => [],
      forwarder: forwarder({ resolver, clock }),
      probes,
      limit: rateLimit({ perSecond: 1e9, burst: 1e9 }),
      clock,
      log: memoryLog(),
    },
    stop.signal,
  );
  const at = { address: "127.0.0.1", port: 0, within: <T>(create: () => T): T => create() };
  return dnsServer(at, answers, stop.signal);
}

function namesOf({ services, endpointslices, namespaces, pods }: ServiceObjects): ClusterNames {
  const known = new Set(pods.map((pod) => keyOf(pod)));
  const names = clusterNames({
    domain: "cluster.local",
    resolver: "127.0.0.1",
    hasPod: (address, namespace) => known.has(`${namespace} ${address}`),
  });
  for (const service of services.map(serviceFrom)) {
    names.service(`${service.metadata.namespace}/${service.metadata.name}`, service);
  }
  for (const slice of endpointslices.map(endpointSliceFrom)) {
    names.slice(`${slice.metadata.namespace}/${slice.metadata.name}`, slice);
  }
  for (const namespace of namespaces) names.namespace(nameOf(namespace), {});
  return names;
}

function keyOf(pod: object): string {
  const { metadata, status }: { metadata?: { namespace?: string }; status?: { podIP?: string } } =
    pod;
  return `${metadata?.namespace} ${status?.podIP}`;
}

function nameOf(object: object): string {
  const { metadata }: { metadata?: { name?: string } } = object;
  return metadata?.name ?? "";
}

/** Names of others: nameN.example is 192.0.2.N. */
function outside() {
  return Bun.udpSocket({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      data(socket, bytes, port, address) {
        const query = message(bytes);
        const [question] = query.questions;
        const [, number] = /^name(\d+)\.example$/.exec(question?.name ?? "") ?? [];
        const data = { type: "A", address: new Uint8Array([192, 0, 2, Number(number)]) } as const;
        const isThere = number !== undefined;
        const answers =
          isThere && question?.type === TYPE.A ? [{ name: question.name, ttlS: 60, data }] : [];
        const rcode = isThere ? RCODE.noError : RCODE.nxDomain;
        const reply = { ...query, isResponse: true, canRecurse: true, rcode, answers };
        socket.send(encode(reply, 1_232), port, address);
      },
    },
  });
}

async function asker(port: number): Promise<Ask> {
  let settle: ((reply: Message) => void) | undefined;
  const socket = scope.adopt(
    await Bun.udpSocket({
      connect: { hostname: "127.0.0.1", port },
      socket: { data: (_socket, bytes) => settle?.(message(bytes)) },
    }),
    (opened) => opened.close(),
  );
  let id = 0;
  return (name, type) => {
    id += 1;
    const { promise, resolve } = Promise.withResolvers<Message>();
    settle = resolve;
    socket.send(encode(queryOf(id, name, TYPE[type]), 512));
    return promise;
  };
}

function queryOf(id: number, name: string, type: number): Message {
  return {
    id,
    isResponse: false,
    opcode: 0,
    isAuthoritative: false,
    isTruncated: false,
    wantsRecursion: true,
    canRecurse: false,
    rcode: 0,
    questions: [{ name, type, class: 1 }],
    answers: [],
    authorities: [],
    additionals: [],
    edns: { udpBytes: 1_232, version: 0, upperRcode: 0, wantsSignatures: false },
  };
}

function message(bytes: Uint8Array): Message {
  const decoded = decode(bytes);
  if (decoded.kind !== "message") throw new Error("malformed");
  return decoded.message;
}
