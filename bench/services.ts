/**
 * What Services cost: a change in the tables of 10 000 of them, and a connection through one beside a
 * connection straight to its endpoint, turn by turn. Root; `bun bench/services.ts [services] [rounds]`.
 */
import { nftPlaceFor } from "#adapters/nft/place.ts";
import { nftRouteTables } from "#adapters/nft/route-tables.ts";
import { ipInRange } from "#core/fly/ip.ts";
import { machineAddressFor, machineIpv4For, networkPlanFor } from "#core/fly/network.ts";
import type { EndpointSlice } from "#core/kube/endpoint-slice.ts";
import type { Service } from "#core/kube/service.ts";
import { routingTable } from "#core/service/routing-table.ts";
import { machineNetnsFor } from "#embedded/machines-api/network/commands.ts";
import { hostNetwork } from "#embedded/machines-api/network/host-network.ts";
import { machineNetwork } from "#embedded/machines-api/network/machine-network.ts";
import { NETNS_DIR, withNetns } from "#embedded/machines-api/network/netns.ts";
import { memoryLog } from "#test/fakes/log.ts";
import { service, sliceOf } from "#test/fixtures/services.ts";
import { table as markdown, quantile } from "./figures.ts";

const SERVICES = Number(process.argv[2] ?? 10_000);
const ROUNDS = Number(process.argv[3] ?? 100);
const ENDPOINTS = 3;
const CONNECTIONS = 2_000;
const PORT = 8080;
/** Two Machines that are there; what other Services lead to is not. */
const REAL = [1, 2] as const;

const { signal } = new AbortController();
const log = memoryLog();
const plan = networkPlanFor("be9c0001");
const netns = `${NETNS_DIR}/${plan.routerNetns}`;
const network = hostNetwork(plan, [], { log, egress: false });
const machines = machineNetwork(plan);
const within = <T>(make: () => T): T => withNetns(plan.routerNetns, make);
const tables = nftRouteTables({ place: nftPlaceFor(plan, []), netns, within, log });
const services = new Map<string, Service>();
const slices = new Map<string, EndpointSlice>();
const routing = routingTable({ services, slices });
const NONE = { gone: [], come: [] };

await network.ensure(signal);
try {
  for (const serial of REAL) await startMachine(serial);
  await measured();
} finally {
  for (const serial of REAL) await machines.detach(`m${serial}`, signal);
  await network.remove(signal);
}
process.exit(0);

async function measured(): Promise<void> {
  for (let at = 0; at < SERVICES; at += 1) putService(at);
  const load = await timed(async () => {
    routing.changes();
    await tables.load({ routes: routing.routes(), sources: [] }, signal);
  });

  // No address that is not there may be asked: the kernel does not tell of each at once.
  await lead(2);
  const effective: number[] = [];
  const done: number[] = [];
  const bare: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const serial = REAL[round % 2] ?? 1;
    const startedAt = performance.now();
    const changing = lead(serial);
    while ((await asked(ipInRange(plan.serviceRange, 1), 80)) !== `m${serial}`);
    effective.push(performance.now() - startedAt);
    await changing;
    done.push(performance.now() - startedAt);
    bare.push(await timed(nothing));
  }

  await lead(1);
  const straight: number[] = [];
  const through: number[] = [];
  for (let count = 0; count < CONNECTIONS; count += 1) {
    straight.push(await timed(() => asked(machineAddressFor(plan.id, 1), PORT)));
    through.push(await timed(() => asked(ipInRange(plan.serviceRange, 1), 80)));
  }

  console.log(
    `${SERVICES} Services of ${ENDPOINTS} endpoints, all at once in ${load.toFixed(0)} ms; resident ${residentMib()} MiB\n`,
  );
  console.log(
    markdown(
      ["milliseconds", "median", "p90", "p99"],
      [
        row("changed slice to the first connection that follows it", effective),
        row("changed slice to the next change", done),
        row("nft that changes nothing", bare),
        row("connection to the endpoint itself", straight),
        row("connection to the ClusterIP", through),
      ],
    ),
  );
}

function row(name: string, samples: readonly number[]): readonly string[] {
  return [name, ...[0.5, 0.9, 0.99].map((share) => quantile(samples, share).toFixed(2))];
}

/** Of this whole process. */
function residentMib(): string {
  Bun.gc(true);
  return (process.memoryUsage.rss() / 1_024 ** 2).toFixed(0);
}

function putService(at: number): void {
  const clusterIP = ipInRange(plan.serviceRange, at + 1);
  services.set(`default/s${at}`, service({ clusterIP }, `s${at}`));
  routing.serviceChanged(`default/s${at}`);
  putSlice(
    at,
    Array.from({ length: ENDPOINTS }, (_, number) => 100 + at * ENDPOINTS + number),
  );
}

function putSlice(at: number, serials: readonly number[]): void {
  const endpoints = serials.map((serial) => ({ address: machineAddressFor(plan.id, serial) }));
  slices.set(`default/s${at}`, sliceOf(endpoints, { service: `s${at}` }));
  routing.sliceChanged(`default/s${at}`);
}

/** Makes the first Service lead to this Machine alone. */
function lead(serial: number): Promise<void> {
  putSlice(0, [serial]);
  const changes = routing.changes() ?? NONE;
  return tables.apply({ ...changes, sources: NONE, routes: routing.routes() }, signal);
}

async function startMachine(serial: number): Promise<void> {
  const machineId = `m${serial}`;
  const ipv6 = machineAddressFor(plan.id, serial);
  const ipv4 = machineIpv4For(plan.id, serial);
  await machines.attach({ machineId, ipv6, ipv4, hostname: machineId }, signal);
  withNetns(machineNetnsFor(plan, machineId), () =>
    Bun.listen({
      hostname: "::",
      port: PORT,
      socket: { open: (socket) => void socket.end(machineId), data() {} },
    }),
  );
}

/** One connection: what its other end said, or why there was none. */
async function asked(hostname: string, port: number): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let heard = "";
  const socket = {
    data: (_: unknown, bytes: Buffer) => {
      heard += bytes.toString();
    },
    close: () => resolve(heard),
    connectError: (_: unknown, error: Error) => resolve(error.message),
  };
  Bun.connect({ hostname, port, socket }).catch((error: Error) => resolve(error.message));
  return promise;
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

/** What it costs to start nft in the namespace. */
async function nothing(): Promise<void> {
  const words = Buffer.from("add table inet services\n");
  await Bun.spawn(["nsenter", `--net=${netns}`, "nft", "-f", "-"], { stdin: words }).exited;
}
