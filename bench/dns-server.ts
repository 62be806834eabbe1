/** The dns role's parts over the API server at `argv[2]`, on a port of 127.0.0.1 that is printed. */
import { dnsServer } from "#adapters/dns/server.ts";
import { hostClock } from "#adapters/host/clock.ts";
import { hostLog } from "#adapters/host/log.ts";
import { kubernetesClient } from "#adapters/kubernetes/client.ts";
import { answerer } from "#core/dns/answerer.ts";
import { clusterNames } from "#core/dns/cluster-names.ts";
import { forwarder } from "#core/dns/forwarder.ts";
import { machineNames } from "#core/dns/machine-names.ts";
import { ownZone } from "#core/dns/own-zone.ts";
import { rateLimit } from "#core/dns/rate-limit.ts";
import { CLUSTER_DOMAIN } from "#core/dns/zone.ts";
import { FksError } from "#core/errors.ts";
import { sleep } from "#core/ports/clock.ts";
import { watchedNames } from "../cmd/dns-cluster.ts";

const { signal } = new AbortController();
const clock = hostClock();
const log = hostLog({ role: "dns", level: "warn", format: "json", color: false });
const cluster = clusterNames({ domain: CLUSTER_DOMAIN, resolver: "fdaa::3", hasPod: () => false });
const client = kubernetesClient({ server: process.argv[2] ?? "", clock });
const lists = watchedNames({ client, clock, log }, cluster);
const isSynced = (): boolean => lists.every((list) => list.isSynced());
for (const list of lists) void list.run(signal);
while (!isSynced()) await sleep(clock, 10, signal);
// As the role does.
Bun.gc(true);

const resolver = { ask: () => Promise.reject(new FksError("Unavailable", "there is nobody")) };
const answers = answerer(
  {
    zone: ownZone({
      machines: { names: machineNames(), isSynced: () => true },
      cluster: { names: cluster, isSynced },
      hosts: new Map(),
    }),
    searchesOf: () => [],
    forwarder: forwarder({ resolver, clock }),
    probes: { caught: () => false },
    // All comes from one client here.
    limit: rateLimit({ perSecond: 1e9, burst: 1e9 }),
    clock,
    log,
  },
  signal,
);
const at = { address: "127.0.0.1", port: 0, within: <T>(create: () => T): T => create() };
console.log((await dnsServer(at, answers, signal)).port);
