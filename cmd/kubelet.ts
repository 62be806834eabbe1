import { Command } from "commander";
import { type Readiness, serveRoleSocket } from "#adapters/host/role-socket.ts";
import type { KubeletApi } from "#adapters/kubelet/server.ts";
import { kubernetesClusterObjects } from "#adapters/kubernetes/cluster-objects.ts";
import { kubernetesNodeEvents, kubernetesPodEvents } from "#adapters/kubernetes/events.ts";
import { registerMetricsApi } from "#adapters/kubernetes/metrics-service.ts";
import { kubernetesNamespaces } from "#adapters/kubernetes/namespaces.ts";
import { nodeLabels } from "#adapters/kubernetes/nodes.ts";
import { type KubernetesPods, kubernetesPods } from "#adapters/kubernetes/pods.ts";
import { kubernetesReviews } from "#adapters/kubernetes/reviews.ts";
import { aborted } from "#core/aborted.ts";
import { CLUSTER_DOMAIN } from "#core/dns/zone.ts";
import { FksError } from "#core/errors.ts";
import type { PressureTracker } from "#core/eviction/pressure-tracker.ts";
import { networkPlanFor } from "#core/fly/network.ts";
import type { Pod } from "#core/kube/pod.ts";
import { forgetLogs } from "#core/kubelet/kept-logs.ts";
import { type HealthTracker, healthTracker } from "#core/node/health.ts";
import { tellHostTroubles } from "#core/node/host-troubles.ts";
import { type PodController, podController } from "#core/pod/pod-controller.ts";
import { statusPatchFor } from "#core/pod/status-patch.ts";
import { sleep } from "#core/ports/clock.ts";
import type { MachineProtocol } from "#core/ports/machine-protocol.ts";
import type { UsageSampler } from "#core/usage/sampler.ts";
import { rememberClusterUid } from "./cluster.ts";
import { examples } from "./help.ts";
import { type ClusterAccess, clusterAccess } from "./kubelet-access.ts";
import { serveKubeletApis } from "./kubelet-api.ts";
import { nodePressure, runEviction } from "./kubelet-eviction.ts";
import { type KubeletMachines, kubeletMachines } from "./kubelet-machines.ts";
import { type KubeletMetrics, kubeletMetrics } from "./kubelet-metrics.ts";
import { runMetricsApi } from "./kubelet-metrics-api.ts";
import { admissionOf, capacityOf, nodeParts, type Place, placesOf } from "./kubelet-nodes.ts";
import { kubeletUsage } from "./kubelet-usage.ts";
import { type Role, runRole, withConfigOptions } from "./role.ts";
import { together } from "./together.ts";
import { untilThere } from "./until-there.ts";

const LOOK_MS = 50;

/** `fks-node kubelet`: shows the Nodes, runs their Pods as Machines, serves their kubelet API. */
export function kubeletCommand(): Command {
  const command = new Command("kubelet").description(
    "the kubelet role: Pods of our Nodes become Machines (serve starts it)",
  );
  withConfigOptions(command).action((_options: unknown, self: Command) =>
    runRole("kubelet", self, runKubelet),
  );
  return examples(command, "fks-node kubelet --data-dir /var/lib/fks-node");
}

/** Everything between the API server and Machines, until `signal` aborts. */
async function runKubelet(role: Role, signal: AbortSignal): Promise<void> {
  const { clock, log, socketPath } = role;
  const metrics = kubeletMetrics(clock);
  const health = healthTracker(clock);
  const pressure = nodePressure(role);
  const state: State = { waiting: "starting", parts: undefined };
  serveRoleSocket(
    {
      path: socketPath,
      isReady: () => readinessOf(state),
      metrics: () => metrics.text(),
      details: () => detailsOf(state),
    },
    signal,
  );
  const waiting = (reason: string): void => {
    state.waiting = reason;
  };

  try {
    const places = placesOf(role);
    const access = await clusterAccess(
      {
        kubeconfig: role.paths.kubeconfig,
        identities: role.paths.identities,
        nodes: places,
        checkCluster: (clusterUid) => rememberClusterUid(role.paths, clusterUid),
        waiting,
        clock,
        log,
      },
      signal,
    );
    const nodes = nodeParts(role, access, places, { health, pressure });
    waiting("waiting for the Machines API");
    await together(
      [
        ...nodes,
        (running) => access.run(running),
        (running) => runPods({ role, access, places, metrics, health, pressure, state }, running),
      ],
      signal,
    );
  } catch (error) {
    if (!FksError.is(error, "Conflict")) throw error;
    // Somebody else's cluster or Node: nothing may be touched, and only a person can tell what to do.
    log.error("nothing is done until a person looks", { err: error });
    waiting(error.message);
    await aborted(signal);
  }
}

interface Parts {
  readonly controller: PodController;
  readonly pods: KubernetesPods;
  readonly apis: readonly KubeletApi[];
}

interface State {
  /** For people: what the role waits for, `undefined` when it works. */
  waiting: string | undefined;
  parts: Parts | undefined;
}

interface PodScope {
  readonly role: Role;
  readonly access: ClusterAccess;
  readonly places: readonly Place[];
  readonly metrics: KubeletMetrics;
  readonly health: HealthTracker;
  readonly pressure: PressureTracker;
  readonly state: State;
}

async function runPods(scope: PodScope, signal: AbortSignal): Promise<void> {
  const { role, access, metrics, health, state } = scope;
  const { clock, log } = role;
  const waiting = (reason: string): void => {
    state.waiting = reason;
  };
  const patiently = { waiting, clock, log };
  let isServing = false;
  const reachability = {
    lost: (message: string) => health.lost(message),
    reached: () => {
      if (isServing && state.parts?.controller.waitsFor() === undefined) health.ready();
    },
  };

  const machines = await untilThere(
    { what: "the Machines API", ...patiently },
    () => kubeletMachines(role, metrics, reachability),
    signal,
  );
  const watched = kubernetesPods({
    nodes: access.nodes,
    reader: access.client,
    statusPatchFor,
    clock,
    log,
  });
  const controller = controllerOf(scope, machines, metrics.pods(watched));
  watched.onChange((key) => controller.touch(key));
  metrics.gauge("fks_pods", "Pods on our Nodes.", () => watched.keys().length);
  metrics.gauge("fks_machines", "Machines of ours.", () => controller.machines().length);

  const { protocol } = machines;
  const served = protocol && { pods: watched, controller, protocol };
  const usage = served && kubeletUsage({ ...scope, ...served }, signal);
  const apis = await untilThere(
    { what: "the Nodes' addresses", ...patiently },
    // On plain Fly there is nothing to serve logs and exec from.
    async () => (served && usage ? apisOf(scope, { ...served, usage }, signal) : []),
    signal,
  );
  state.parts = { controller, pods: watched, apis };

  await together(
    [
      (running) => watched.run(running),
      (running) => controller.run(running),
      async (running) => usage?.run(running),
      async (running) => {
        if (protocol) await tellTroubles(scope, protocol, running);
      },
      async (running) => {
        if (usage) await metricsApiOf(scope, usage, running);
      },
      async (running) => {
        if (protocol === undefined) return;
        await forgetLogs(
          {
            keptLogs: protocol.keptLogs,
            pods: () => (isServing ? podsOf(watched) : undefined),
            clock,
            log,
          },
          running,
        );
      },
      async (running) => {
        for (let reason = controller.waitsFor(); reason !== undefined; ) {
          waiting(reason);
          await sleep(clock, LOOK_MS, running).catch(() => {});
          if (running.aborted) return;
          reason = controller.waitsFor();
        }
        isServing = true;
        state.waiting = undefined;
        health.ready();
        log.info("kubelet ready", { pods: watched.keys().length });
        if (served && usage) await runEviction({ ...scope, ...served, usage }, running);
      },
    ],
    signal,
  );
  await Promise.all(apis.map(({ closed }) => closed));
}

function tellTroubles(
  { role: { clock, log }, access, places }: PodScope,
  protocol: MachineProtocol,
  signal: AbortSignal,
): Promise<void> {
  const nodeEvents = kubernetesNodeEvents({ nodes: access.nodes });
  const nodes = places.map(({ name }) => name);
  return tellHostTroubles({ protocol, nodes, nodeEvents, clock, log }, signal);
}

function podsOf(pods: KubernetesPods): readonly Pod[] {
  return pods.keys().flatMap((key) => pods.get(key) ?? []);
}

function controllerOf(
  { role, access, places, metrics, pressure }: PodScope,
  { machines, apps, protocol }: KubeletMachines,
  pods: KubernetesPods,
): PodController {
  const { cluster, clock, log, config } = role;
  const plan = networkPlanFor(cluster.networkId);
  const isEmbedded = config.machines === "embedded";
  const allocatable = capacityOf(role, places);
  const controller: PodController = podController({
    pods,
    machines,
    apps,
    ...(protocol === undefined ? {} : { protocol }),
    namespaces: kubernetesNamespaces(access.client),
    cluster: kubernetesClusterObjects({ client: access.client, nodes: access.nodes, clock }),
    events: metrics.events(kubernetesPodEvents({ nodes: access.nodes, clock })),
    admit: admissionOf(role, access, pressure, {
      pods,
      hasMachine: (uid) => controller.machineOf(uid) !== undefined,
    }),
    clusterUid: access.clusterUid,
    apiServer: { host: plan.apiServer, port: cluster.apiPort },
    ...(isEmbedded ? { dns: { nameservers: [plan.resolver], domain: CLUSTER_DOMAIN } } : {}),
    nodes: new Map(
      places.map(({ name, address }) => [name, { region: name, hostIP: address, allocatable }]),
    ),
    // Creates have a burst of three a second; some more are on their way there and back.
    ...(config.limits === "fly" ? { launchRoom: { perNamespace: 6, total: 24 } } : {}),
    clock,
    log,
  });
  return controller;
}

function metricsApiOf(
  { role, access, places }: PodScope,
  usage: UsageSampler,
  signal: AbortSignal,
): Promise<void> {
  const { client, serverCa: ca } = access;
  const [first] = places;
  if (first === undefined) return Promise.resolve();
  return runMetricsApi(
    {
      role,
      access,
      address: first.address,
      usage,
      reviews: kubernetesReviews({ client, clock: role.clock }),
      nodeLabels: (selector, until) => nodeLabels(client, selector, until),
      register: (at, until) => registerMetricsApi({ client, ca, ...at }, until),
    },
    signal,
  );
}

interface Served {
  readonly pods: KubernetesPods;
  readonly controller: PodController;
  readonly protocol: MachineProtocol;
  readonly usage: UsageSampler;
}

function apisOf(
  { role, access, places, metrics }: PodScope,
  served: Served,
  signal: AbortSignal,
): Promise<readonly KubeletApi[]> {
  const reviews = kubernetesReviews({ client: access.client, clock: role.clock });
  return serveKubeletApis({ role, access, places, reviews, metrics, ...served }, signal);
}

function readinessOf({ waiting }: State): Readiness {
  return waiting === undefined ? { ready: true } : { ready: false, reason: waiting };
}

function detailsOf({ waiting, parts }: State): object {
  return {
    waiting,
    pods: parts?.pods.keys().length ?? 0,
    machines: parts?.controller.machines().length ?? 0,
    sessions: parts?.apis.reduce((sum, api) => sum + api.sessions(), 0) ?? 0,
  };
}
