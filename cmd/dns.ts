import { Command } from "commander";
import { hostNameservers } from "#adapters/dns/resolv-conf.ts";
import { type DnsServer, dnsServer } from "#adapters/dns/server.ts";
import { upstreamResolver } from "#adapters/dns/upstream.ts";
import { type Readiness, serveRoleSocket } from "#adapters/host/role-socket.ts";
import { aborted } from "#core/aborted.ts";
import { type Answerer, answerer } from "#core/dns/answerer.ts";
import { clusterNames } from "#core/dns/cluster-names.ts";
import { forwarder } from "#core/dns/forwarder.ts";
import { loopProbes } from "#core/dns/loop-probes.ts";
import { type MachineNames, machineNames, searchesAt } from "#core/dns/machine-names.ts";
import { ownZone } from "#core/dns/own-zone.ts";
import { rateLimit } from "#core/dns/rate-limit.ts";
import { CLUSTER_DOMAIN } from "#core/dns/zone.ts";
import { type ZoneKeeper, zoneKeeper } from "#core/dns/zone-keeper.ts";
import { ipInRange } from "#core/fly/ip.ts";
import { type NetworkPlan, networkPlanFor } from "#core/fly/network.ts";
import { stampsOf } from "#core/pod/identity.ts";
import { withNetns } from "#embedded/machines-api/network/netns.ts";
import { type ClusterNamesKeeper, clusterNamesKeeper } from "./dns-cluster.ts";
import { dnsMetrics } from "./dns-metrics.ts";
import { embeddedChanges } from "./embedded-changes.ts";
import { examples } from "./help.ts";
import { type Role, runRole, withConfigOptions } from "./role.ts";
import { routerNetnsChanged } from "./router-netns.ts";
import { together } from "./together.ts";
import { untilThere } from "./until-there.ts";

const PORT = 53;
/** Far more than a busy Pod asks, and few enough that one Pod cannot take the others' turns. */
const QUERIES_PER_SECOND = 20_000;

/** `fks-node dns`: answers what Machines ask at Fly's resolver address. */
export function dnsCommand(): Command {
  const command = new Command("dns").description(
    "the dns role: answers the names that Machines ask for (serve starts it)",
  );
  withConfigOptions(command).action((_options: unknown, self: Command) =>
    runRole("dns", self, runDns),
  );
  return examples(command, "fks-node dns --data-dir /var/lib/fks-node");
}

/** What the role is made of, when Machines are embedded. */
interface Parts {
  readonly names: MachineNames;
  readonly machines: ZoneKeeper;
  readonly services: ClusterNamesKeeper;
  readonly answerer: Answerer;
  readonly metrics: () => Promise<string>;
  readonly looping: () => readonly string[];
}

interface State {
  /** For people: what the role waits for, `undefined` when it answers. */
  waiting: string | undefined;
}

async function runDns(role: Role, signal: AbortSignal): Promise<void> {
  const state: State = { waiting: "starting" };
  // Fly answers for its own Machines.
  const isOurs = role.config.machines === "embedded";
  const plan = networkPlanFor(role.cluster.networkId);
  const parts = isOurs ? partsOf(role, plan, signal) : undefined;
  serveRoleSocket(
    {
      path: role.socketPath,
      isReady: () => readinessOf(state, parts),
      metrics: async () => (await parts?.metrics()) ?? "",
      details: () => ({
        waiting: state.waiting ?? parts?.services.waitsFor(),
        machines: parts?.names.count() ?? 0,
        looping: parts?.looping() ?? [],
      }),
    },
    signal,
  );
  if (parts === undefined) {
    state.waiting = undefined;
    await aborted(signal);
    return;
  }
  await together(
    [
      (running) => parts.machines.run(running),
      (running) => parts.services.run(running),
      (running) => serveNames({ role, plan, parts, state }, running),
    ],
    signal,
  );
}

function partsOf(role: Role, plan: NetworkPlan, signal: AbortSignal): Parts {
  const { clock, log } = role;
  const names = machineNames();
  const cluster = clusterNames({
    domain: CLUSTER_DOMAIN,
    resolver: plan.resolver,
    hasPod: (address, namespace) => {
      const found = names.at(address);
      return found !== undefined && stampsOf(found.machine)?.fks_namespace === namespace;
    },
  });
  const machines = zoneKeeper({ protocol: embeddedChanges(role), names, clock, log });
  const services = clusterNamesKeeper(role, cluster);
  const zone = ownZone({
    machines: { names, isSynced: machines.isSynced },
    cluster: { names: cluster, isSynced: services.isSynced },
    // Always the first: it answers from the first moment on, and while the API server is away.
    hosts: new Map([
      [`kubernetes.default.svc.${CLUSTER_DOMAIN}`, [ipInRange(plan.serviceRange, 1)]],
    ]),
  });
  const probes = loopProbes({
    randomLabel: () => crypto.randomUUID().replaceAll("-", ""),
    tell: (server) => log.error("the host's resolver asks us in turn: it is left out", { server }),
    clock,
  });
  const servers = hostNameservers(role.config.resolvConf, [plan.resolver], clock);
  const others = forwarder({ resolver: upstreamResolver({ servers, probes, clock }), clock });
  const answers = answerer(
    {
      zone,
      searchesOf: (client) => searchesAt(names, client),
      forwarder: others,
      probes,
      limit: rateLimit({ perSecond: QUERIES_PER_SECOND, burst: QUERIES_PER_SECOND }),
      clock,
      log,
    },
    signal,
  );
  const metrics = dnsMetrics({
    counts: answers.counts,
    waiting: others.waiting,
    looping: () => probes.looping().length,
    machines: names.count,
  });
  return { names, machines, services, answerer: answers, metrics, looping: probes.looping };
}

interface Names {
  readonly role: Role;
  readonly plan: NetworkPlan;
  readonly parts: Parts;
  readonly state: State;
}

/** Answers in the router's network namespace, and in the next one should it be made anew. */
async function serveNames(names: Names, signal: AbortSignal): Promise<void> {
  const { role, plan, state } = names;
  const { clock, log } = role;
  const waiting = (reason: string): void => {
    state.waiting = reason;
  };

  while (!signal.aborted) {
    const server = await untilThere(
      { what: "the Machines' network", waiting, clock, log },
      () => listen(names, signal),
      signal,
    );
    state.waiting = undefined;
    log.info("answering", { address: plan.resolver, netns: plan.routerNetns });
    await routerNetnsChanged(plan, clock, signal);
    server.close();
  }
}

function listen({ plan, parts }: Names, signal: AbortSignal): Promise<DnsServer> {
  return dnsServer(
    {
      address: plan.resolver,
      port: PORT,
      within: (create) => withNetns(plan.routerNetns, create),
    },
    parts.answerer,
    signal,
  );
}

function readinessOf({ waiting }: State, parts: Parts | undefined): Readiness {
  const isBehind = parts !== undefined && !parts.machines.isSynced();
  const reason =
    waiting ??
    (isBehind ? "waiting for the list of Machines" : undefined) ??
    parts?.services.waitsFor();
  return reason === undefined ? { ready: true } : { ready: false, reason };
}
