import { statSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import { hostNameservers } from "#adapters/dns/resolv-conf.ts";
import { type DnsServer, dnsServer } from "#adapters/dns/server.ts";
import { upstreamResolver } from "#adapters/dns/upstream.ts";
import { serveRoleSocket } from "#adapters/host/role-socket.ts";
import { machineProtocol } from "#adapters/machine-protocol/protocol.ts";
import { aborted } from "#core/aborted.ts";
import { type ZoneKeeper, zoneKeeper } from "#core/dns/zone-keeper.ts";
import type { MachineChange } from "#core/fly/machine-protocol.ts";
import { type NetworkPlan, networkPlanFor } from "#core/fly/network.ts";
import { sleep } from "#core/ports/clock.ts";
import type { Resolver } from "#core/ports/resolver.ts";
import { NETNS_DIR, withNetns } from "#embedded/machines-api/network/netns.ts";
import { examples } from "./help.ts";
import { embeddedUrl } from "./machines-access.ts";
import { type Role, runRole, withConfigOptions } from "./role.ts";
import { together } from "./together.ts";
import { readToken } from "./tokens.ts";
import { untilThere } from "./until-there.ts";

const PORT = 53;
const RESOLV_CONF = "/etc/resolv.conf";
/** How often the router's namespace is looked at: one that was made anew needs new sockets. */
const LOOK_MS = 1_000;

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

interface State {
  /** For people: what the role waits for, `undefined` when it answers. */
  waiting: string | undefined;
  keeper: ZoneKeeper | undefined;
}

async function runDns(role: Role, signal: AbortSignal): Promise<void> {
  const state: State = { waiting: "starting", keeper: undefined };
  serveRoleSocket(
    {
      path: role.socketPath,
      isReady: () => readinessOf(state),
      details: () => ({ waiting: state.waiting, machines: state.keeper?.machineCount() ?? 0 }),
    },
    signal,
  );
  if (role.config.machines === "fly") {
    // Fly answers for its own Machines.
    state.waiting = undefined;
    await aborted(signal);
    return;
  }

  const plan = networkPlanFor(role.cluster.networkId);
  const keeper = keeperOf(role, plan);
  state.keeper = keeper;
  await together(
    [
      (running) => keeper.run(running),
      (running) => serveNames({ role, plan, keeper, state }, running),
    ],
    signal,
  );
}

function keeperOf({ paths, clock, log }: Role, plan: NetworkPlan): ZoneKeeper {
  const protocol = {
    /** Where the Machines API listens is read each time: after a crash it may be another port. */
    async *watch(signal: AbortSignal): AsyncGenerator<MachineChange> {
      const baseUrl = await embeddedUrl(paths.machinesApiFile);
      const token = await readToken(paths.machineProtocolToken);
      yield* machineProtocol({ baseUrl, token, clock }).watch(signal);
    },
  };
  const hosts = new Map([["kubernetes.default.svc.cluster.local", [plan.apiServer]]]);
  return zoneKeeper({ protocol, hosts, clock, log });
}

interface Names {
  readonly role: Role;
  readonly plan: NetworkPlan;
  readonly keeper: ZoneKeeper;
  readonly state: State;
}

/** Answers in the router's network namespace, and in the next one should it be made anew. */
async function serveNames(names: Names, signal: AbortSignal): Promise<void> {
  const { role, plan, state } = names;
  const { clock, log } = role;
  const resolver = upstreamResolver({
    servers: hostNameservers(RESOLV_CONF, [plan.resolver], clock),
    clock,
  });
  const waiting = (reason: string): void => {
    state.waiting = reason;
  };

  while (!signal.aborted) {
    const server = await untilThere(
      { what: "the Machines' network", waiting, clock, log },
      () => listen(names, resolver, signal),
      signal,
    );
    state.waiting = undefined;
    log.info("answering", { address: plan.resolver, netns: plan.routerNetns });
    const before = namespaceOf(plan);
    while (!signal.aborted && namespaceOf(plan) === before) {
      await sleep(clock, LOOK_MS, signal).catch(() => {});
    }
    server.close();
  }
}

function listen(
  { plan, keeper, role }: Names,
  resolver: Resolver,
  signal: AbortSignal,
): Promise<DnsServer> {
  return dnsServer(
    {
      address: plan.resolver,
      port: PORT,
      within: (create) => withNetns(plan.routerNetns, create),
      zone: () => keeper.zone(),
      resolver,
      log: role.log,
    },
    signal,
  );
}

/** Which namespace stands behind the name now; `undefined` when there is none. */
function namespaceOf({ routerNetns }: NetworkPlan): string | undefined {
  const stat = statSync(join(NETNS_DIR, routerNetns), { throwIfNoEntry: false });
  return stat && `${stat.dev}:${stat.ino}`;
}

function readinessOf({ waiting, keeper }: State): { ready: boolean; reason?: string } {
  if (waiting !== undefined) return { ready: false, reason: waiting };
  const isBehind = keeper !== undefined && !keeper.isSynced();
  return isBehind ? { ready: false, reason: "waiting for the list of Machines" } : { ready: true };
}
