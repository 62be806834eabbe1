/**
 * Our answers beside CoreDNS' (kubernetes plugin, cache of 30 s), turn by turn over the same names:
 * answers per second and per CPU second, latency at half load, memory, and the time from a change in
 * the API to the first answer with it. Server on one CPU, dnsperf on the other; needs dnsperf.
 * `bun bench/dns.ts [services] [rounds] [seconds]`.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import ipaddr from "ipaddr.js";
import { endpointSliceFrom } from "#adapters/kubernetes/endpoint-slice-codec.ts";
import { serviceFrom } from "#adapters/kubernetes/service-codec.ts";
import { TYPE } from "#core/dns/record.ts";
import { queryFor } from "#core/dns/respond.ts";
import { randomFrom } from "#test/fakes/faulty.ts";
import { generatedCluster } from "#test/fakes/generated-cluster.ts";
import { type ServicesApi, servicesApi } from "#test/fakes/services-api.ts";
import { buildCoreDns, coreDns } from "#test/programs/coredns.ts";
import { quantile, table } from "./figures.ts";
import { pssOf } from "./memory.ts";

const SERVICES = Number(process.argv[2] ?? 15_000);
const ROUNDS = Number(process.argv[3] ?? 3);
const SECONDS = Number(process.argv[4] ?? 5);
/** CoreDNS' cache does not hear of changes: each is seen after seconds. */
const CHANGES = { "fks-node": 200, CoreDNS: 10 };
/** Half of what is aimed at; whoever answers less is asked half of that. */
const HALF_LOAD = 50_000;
/** Of `utime` and `stime`; source: proc(5), as Linux shows it to everybody. */
const TICKS_PER_SECOND = 100;
const NO_ANSWER_MS = 10_000;

interface Peer {
  readonly name: keyof typeof CHANGES;
  readonly pid: number;
  readonly port: number;
}

interface Name {
  readonly name: string;
  readonly type: "AAAA" | "SRV" | "PTR";
}

const folder = mkdtempSync(join(tmpdir(), "fks-bench-dns-"));
const size = { namespaces: 50, services: SERVICES, endpoints: { min: 2, max: 4 } };
const cluster = generatedCluster(1, size);
const services = cluster.services.map(serviceFrom);
const names = shuffled(namesOf());
const sets = {
  "10 000 names, AAAA": names.filter(({ type }) => type === "AAAA").slice(0, 10_000),
  "every name and its type": names,
  "names that are not there": absent(10_000),
};

await using api: ServicesApi = servicesApi(cluster);
const own = Bun.spawn(["taskset", "-c", "0", process.execPath, "bench/dns-server.ts", api.url], {
  stdout: "pipe",
  stderr: "inherit",
});
try {
  const peers: Peer[] = [{ name: "fks-node", pid: own.pid, port: await portOf(own) }];
  const executable = await buildCoreDns();
  await using theirs = await coreDns(executable, {
    api: api.url,
    upstream: "127.0.0.1:9",
    plugins: ["cache 30"],
    under: ["taskset", "-c", "0"],
  });
  peers.push({ name: "CoreDNS", pid: theirs.pid, port: theirs.port });
  await measure(peers);
} finally {
  own.kill();
  rmSync(folder, { recursive: true });
}

async function measure(peers: readonly Peer[]): Promise<void> {
  console.log(`${names.length} names of ${SERVICES} Services\n`);
  const idle = peers.map(({ pid }) => pssOf(pid));
  const perSecond = new Map<Peer, number>();
  for (const [title, set] of Object.entries(sets)) {
    const runs = new Map(peers.map((peer) => [peer, new Array<Run>()]));
    const file = fileOf(set);
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const peer of peers) runs.get(peer)?.push(await fullLoad(peer, file));
    }
    for (const [peer, of] of runs) {
      if (!perSecond.has(peer)) perSecond.set(peer, median(of.map((run) => run.perSecond)));
    }
    printRuns(title, runs);
  }
  const late = [];
  const file = fileOf(sets["10 000 names, AAAA"]);
  for (const peer of peers) {
    const half = Math.min(HALF_LOAD, Math.round((perSecond.get(peer) ?? 0) / 2));
    const milliseconds = await latencies(peer, file, half);
    late.push([peer.name, half, quantile(milliseconds, 0.5), quantile(milliseconds, 0.99)]);
  }
  console.log(`${table(["latency at half load", "questions/s", "median, ms", "p99, ms"], late)}\n`);
  const changed = [];
  for (const peer of peers) {
    const milliseconds = await changes(peer);
    changed.push([peer.name, quantile(milliseconds, 0.5), quantile(milliseconds, 0.99)]);
  }
  console.log(`${table(["change in the API to answer", "median, ms", "p99, ms"], changed)}\n`);
  const memory = peers.map((peer, index) => [peer.name, idle[index] ?? 0, pssOf(peer.pid)]);
  console.log(table(["memory, MiB", "names loaded", "after the load"], memory));
}

interface Run {
  readonly perSecond: number;
  readonly perCpuSecond: number;
  readonly lost: number;
}

/** As fast as dnsperf asks. */
async function fullLoad(peer: Peer, file: string): Promise<Run> {
  const before = cpuSeconds(peer.pid);
  const text = await dnsperf(peer, file, ["-q", "200", "-l", `${SECONDS}`]);
  const completed = numberIn(text, /Queries completed:\s+(\d+)/);
  return {
    perSecond: numberIn(text, /Queries per second:\s+([\d.]+)/),
    perCpuSecond: completed / (cpuSeconds(peer.pid) - before),
    lost: numberIn(text, /Queries lost:\s+(\d+)/),
  };
}

function printRuns(title: string, runs: ReadonlyMap<Peer, readonly Run[]>): void {
  const rows = [...runs].map(([{ name }, of]) => [
    name,
    String(Math.round(median(of.map((run) => run.perSecond)))),
    String(Math.round(median(of.map((run) => run.perCpuSecond)))),
    String(of.reduce((sum, { lost }) => sum + lost, 0)),
  ]);
  console.log(`${table([title, "answers/s", "answers per CPU second", "lost"], rows)}\n`);
}

/** Milliseconds of each question at this rate. */
async function latencies(peer: Peer, file: string, rate: number): Promise<readonly number[]> {
  const text = await dnsperf(peer, file, ["-q", "200", "-l", `${SECONDS}`, "-Q", `${rate}`, "-v"]);
  return [...text.matchAll(/^> NOERROR \S+ \S+ ([\d.]+)/gm)].map(([, s]) => Number(s) * 1_000);
}

/** Milliseconds from telling a watch of another ClusterIP to the first answer with it. */
async function changes(peer: Peer): Promise<readonly number[]> {
  const [first] = services.filter(({ spec }) => spec.clusterIPs[0]?.startsWith("fdaa:"));
  if (first === undefined) throw new Error("there is no Service with an address");
  const { metadata, spec } = first;
  const name = `${metadata.name}.${metadata.namespace}.svc.cluster.local`;
  const waits: number[] = [];
  let answered: ((last: number) => void) | undefined;
  const socket = await Bun.udpSocket({
    connect: { hostname: "127.0.0.1", port: peer.port },
    socket: { data: (_socket, bytes) => answered?.(bytes[bytes.length - 1] ?? 0) },
  });
  const query = queryFor({ name, type: TYPE.AAAA, class: 1 }, undefined);

  for (let change = 1; change <= CHANGES[peer.name]; change += 1) {
    const last = change % 250;
    const clusterIP = `fdaa:1:2:0:2::${last.toString(16)}`;
    const startedAt = performance.now();
    api.change({ metadata, spec: { ...spec, clusterIP, clusterIPs: [clusterIP] } });
    for (;;) {
      const { promise, resolve } = Promise.withResolvers<number>();
      answered = resolve;
      socket.send(query);
      if ((await promise) === last) break;
      if (performance.now() - startedAt > NO_ANSWER_MS) throw new Error("the change is not seen");
    }
    waits.push(performance.now() - startedAt);
  }
  socket.close();
  return waits;
}

async function dnsperf(peer: Peer, file: string, args: readonly string[]): Promise<string> {
  const at = ["-s", "127.0.0.1", "-p", `${peer.port}`, "-d", file, "-c", "8"];
  const child = Bun.spawn(["taskset", "-c", "1", "dnsperf", ...at, ...args], {
    stdout: "pipe",
    stderr: "ignore",
  });
  return new Response(child.stdout).text();
}

function numberIn(text: string, pattern: RegExp): number {
  const found = pattern.exec(text)?.[1];
  if (found === undefined) throw new Error(`dnsperf did not say ${pattern.source}:\n${text}`);
  return Number(found);
}

function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

async function portOf({ stdout }: { readonly stdout: ReadableStream<Uint8Array> }) {
  for await (const chunk of stdout) return Number(new TextDecoder().decode(chunk));
  throw new Error("the server ended");
}

function fileOf(set: readonly Name[]): string {
  const file = join(folder, `${set.length}-${set[0]?.name}`);
  writeFileSync(file, set.map(({ name, type }) => `${name} ${type}\n`).join(""));
  return file;
}

/** Every name that has an answer. */
function namesOf(): readonly Name[] {
  const found: Name[] = [];
  const slices = Map.groupBy(cluster.endpointslices.map(endpointSliceFrom), (slice) =>
    [slice.metadata.namespace, slice.service].join("/"),
  );
  for (const { metadata, spec } of services) {
    const home = `${metadata.name}.${metadata.namespace}.svc.cluster.local`;
    const parts = slices.get(`${metadata.namespace}/${metadata.name}`) ?? [];
    const ready = parts.flatMap(({ endpoints }) => endpoints.filter(({ isReady }) => isReady));
    const isHeadless = spec.clusterIP === "None";
    if (spec.type === "ExternalName" || (isHeadless && ready.length === 0)) continue;
    found.push({ name: home, type: "AAAA" });
    for (const { name, protocol } of spec.ports) {
      found.push({ name: `_${name}._${protocol.toLowerCase()}.${home}`, type: "SRV" });
    }
    if (!isHeadless) found.push({ name: reverseOf(spec.clusterIP), type: "PTR" });
    for (const { addresses, hostname } of ready) {
      const [ip = ""] = addresses;
      found.push({ name: `${hostname ?? ip.replaceAll(":", "-")}.${home}`, type: "AAAA" });
      found.push({ name: reverseOf(ip), type: "PTR" });
    }
  }
  return found;
}

function absent(count: number): readonly Name[] {
  return Array.from({ length: count }, (_, index) => {
    return { name: `none${index}.ns0.svc.cluster.local`, type: "AAAA" };
  });
}

function reverseOf(ip: string): string {
  const hex = Buffer.from(ipaddr.parse(ip).toByteArray()).toString("hex");
  return `${hex.split("").toReversed().join(".")}.ip6.arpa`;
}

/** Always in the same disorder. */
function shuffled<T>(items: readonly T[]): readonly T[] {
  const random = randomFrom(1);
  return items
    .map((item) => [random(), item] as const)
    .toSorted(([one], [other]) => one - other)
    .map(([, item]) => item);
}
