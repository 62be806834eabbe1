import { Command } from "commander";
import { type Readiness, serveRoleSocket } from "#adapters/host/role-socket.ts";
import { endpointSliceFrom } from "#adapters/kubernetes/endpoint-slice-codec.ts";
import { loadBalancerStatuses } from "#adapters/kubernetes/load-balancer-statuses.ts";
import { objectEvents } from "#adapters/kubernetes/object-events.ts";
import type { Rule } from "#adapters/kubernetes/rights.ts";
import { serviceFrom } from "#adapters/kubernetes/service-codec.ts";
import { watched } from "#adapters/kubernetes/watched.ts";
import { nftPlaceFor } from "#adapters/nft/place.ts";
import { nftPolicyRules } from "#adapters/nft/policies.ts";
import { nftRouteTables } from "#adapters/nft/route-tables.ts";
import { nftIn } from "#adapters/nft/run-nft.ts";
import { edgeListeners } from "#adapters/proxy/edge-listeners.ts";
import { aborted } from "#core/aborted.ts";
import { FksError } from "#core/errors.ts";
import { networkPlanFor, nodeAddressFor } from "#core/fly/network.ts";
import { type MachineSources, machineSources } from "#core/service/machine-sources.ts";
import { type RouteKeeper, routeKeeper } from "#core/service/route-keeper.ts";
import { type RoutingTable, routingTable } from "#core/service/routing-table.ts";
import { withNetns } from "#embedded/machines-api/network/netns.ts";
import { embeddedChanges } from "./embedded-changes.ts";
import { examples } from "./help.ts";
import { EDGE_RULES, edgePart, waysTo } from "./proxy-edge.ts";
import { type ProxyMetrics, proxyMetrics } from "./proxy-metrics.ts";
import { POLICY_RULES, type PolicyPart, policyPart } from "./proxy-policies.ts";
import { type Role, runRole, withConfigOptions } from "./role.ts";
import { type RoleAccess, roleAccess } from "./role-access.ts";
import { routerNetnsPath, watchRouterNetns } from "./router-netns.ts";
import { together } from "./together.ts";

/** The user name in the certificate of this role. */
const USER = "fks-node-proxy";
const RULES: readonly Rule[] = [
  { apiGroups: [""], resources: ["services"], verbs: ["list", "watch"] },
  { apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: ["list", "watch"] },
  ...POLICY_RULES,
  ...EDGE_RULES,
];

/** `fks-node proxy`: keeps the kernel's tables by which Services are reached. */
export function proxyCommand(): Command {
  const command = new Command("proxy").description(
    "the proxy role: connections to Services reach their endpoints (serve starts it)",
  );
  withConfigOptions(command).action((_options: unknown, self: Command) =>
    runRole("proxy", self, runProxy),
  );
  return examples(command, "fks-node proxy --data-dir /var/lib/fks-node");
}

interface State {
  /** For people: what the role waits for before it can begin. */
  waiting: string | undefined;
  parts: Parts | undefined;
}

interface Parts {
  readonly table: RoutingTable;
  readonly keeper: RouteKeeper;
  readonly policies: PolicyPart;
  run(signal: AbortSignal): Promise<void>;
}

async function runProxy(role: Role, signal: AbortSignal): Promise<void> {
  const { clock, log, socketPath, config } = role;
  const state: State = { waiting: "starting", parts: undefined };
  const metrics = proxyMetrics(clock, () => state.parts?.table.routes() ?? []);
  serveRoleSocket(
    {
      path: socketPath,
      isReady: () => readinessOf(state),
      metrics: () => metrics.text(),
      details: () => ({
        waiting: waitsFor(state),
        ports: state.parts?.table.routes().length ?? 0,
        networkPolicies: state.parts?.policies.count() ?? 0,
      }),
    },
    signal,
  );
  const waiting = (reason: string): void => {
    state.waiting = reason;
  };

  try {
    if (config.machines === "fly") {
      throw new FksError("Conflict", "on Fly there is no kernel of ours between Machines");
    }
    const access = await roleAccess(role, { user: USER, rules: RULES }, { waiting }, signal);
    state.parts = partsFor(role, access, metrics);
    state.waiting = undefined;
    await state.parts.run(signal);
  } catch (error) {
    if (!FksError.is(error, "Conflict") || state.parts !== undefined) throw error;
    // Nothing may be touched, and only a person can tell what to do.
    log.error("nothing is done until a person looks", { err: error });
    waiting(error.message);
    await aborted(signal);
  }
}

function partsFor(role: Role, access: RoleAccess, metrics: ProxyMetrics): Parts {
  const { clock, log, cluster } = role;
  const plan = networkPlanFor(cluster.networkId);
  const from = { client: access.client, clock, log };
  const services = watched({ ...from, path: "/api/v1/services", decode: serviceFrom });
  const slices = watched({
    ...from,
    path: "/apis/discovery.k8s.io/v1/endpointslices",
    decode: endpointSliceFrom,
  });
  const table = routingTable({ services, slices });
  const sources = machineSources({
    protocol: embeddedChanges(role),
    onChange: () => keeper.touch(),
    clock,
    log,
  });
  const tables = nftRouteTables({
    place: nftPlaceFor(plan, cluster.regions),
    netns: routerNetnsPath(plan),
    within: (make) => withNetns(plan.routerNetns, make),
    log,
  });
  const keeper = routeKeeper({
    table,
    isSynced: () => services.isSynced() && slices.isSynced(),
    sources: () => sources.all(),
    tables: metrics.tables(tables),
    clock,
    log,
  });
  services.onChange((key) => {
    table.serviceChanged(key);
    keeper.touch();
  });
  slices.onChange((key) => {
    table.sliceChanged(key);
    keeper.touch();
  });
  const nodes = cluster.regions.map((_, index) => nodeAddressFor(plan.id, index));
  const policies = policyPart(
    role,
    access,
    nftPolicyRules({
      nft: nftIn(routerNetnsPath(plan)),
      hostAddresses: [plan.hostLink, plan.apiServer, ...nodes],
    }),
  );
  const edge = edgePart(role, {
    services,
    listeners: edgeListeners({
      addresses: role.config.edgeAddresses,
      endpointsOf: waysTo(table, plan.id),
    }),
    statuses: loadBalancerStatuses(access.client),
    events: objectEvents({ client: access.client, component: USER, clock, log }),
  });
  const onNew = (): void => {
    keeper.reload();
    policies.reload();
  };
  return {
    table,
    keeper,
    policies,
    run: (signal) =>
      together(
        [
          (running) => access.run(running),
          (running) => services.run(running),
          (running) => slices.run(running),
          (running) => keeper.run(running),
          (running) => sourcesOnceWanted(keeper, sources, running),
          (running) => policies.run(running),
          (running) => edge.run(running),
          (running) => watchRouterNetns(plan, { clock, onNew }, running),
        ],
        signal,
      ),
  };
}

/** The stream of Machines is followed from the first Service on that asks where its callers are. */
async function sourcesOnceWanted(
  keeper: RouteKeeper,
  sources: MachineSources,
  signal: AbortSignal,
): Promise<void> {
  await keeper.sourcesWanted(signal);
  if (!signal.aborted) await sources.run(signal);
}

function waitsFor({ waiting, parts }: State): string | undefined {
  return waiting ?? parts?.keeper.waitsFor() ?? parts?.policies.waitsFor();
}

function readinessOf(state: State): Readiness {
  const reason = waitsFor(state);
  return reason === undefined ? { ready: true } : { ready: false, reason };
}
