import { Command } from "commander";
import { hostFacts } from "#adapters/host/host-facts.ts";
import { type Readiness, serveRoleSocket } from "#adapters/host/role-socket.ts";
import { type KubeletApi, serveKubeletApi } from "#adapters/kubelet/server.ts";
import { kubernetesClusterObjects } from "#adapters/kubernetes/cluster-objects.ts";
import { kubernetesPodEvents } from "#adapters/kubernetes/events.ts";
import { kubernetesLeases } from "#adapters/kubernetes/leases.ts";
import { kubernetesNodes } from "#adapters/kubernetes/nodes.ts";
import { type KubernetesPods, kubernetesPods } from "#adapters/kubernetes/pods.ts";
import { kubernetesReviews } from "#adapters/kubernetes/reviews.ts";
import { aborted } from "#core/aborted.ts";
import { FksError, messageOf } from "#core/errors.ts";
import { networkPlanFor, nodeAddressFor } from "#core/fly/network.ts";
import { capacityFor } from "#core/node/capacity.ts";
import { type HealthTracker, healthTracker } from "#core/node/health.ts";
import type { NodeDescription } from "#core/node/node.ts";
import { runNodeController } from "#core/node/node-controller.ts";
import { type PodController, podController } from "#core/pod/pod-controller.ts";
import { statusPatchFor } from "#core/pod/status-patch.ts";
import { sleep } from "#core/ports/clock.ts";
import { API_SERVER_PORT } from "#embedded/control-plane/upstream/args.ts";
import packageJson from "../package.json";
import { rememberClusterUid } from "./cluster.ts";
import { examples } from "./help.ts";
import { type ClusterAccess, clusterAccess } from "./kubelet-access.ts";
import { type KubeletMachines, kubeletMachines } from "./kubelet-machines.ts";
import { type KubeletMetrics, kubeletMetrics } from "./kubelet-metrics.ts";
import { type Role, runRole, withConfigOptions } from "./role.ts";
import { together } from "./together.ts";
import { untilThere } from "./until-there.ts";

const KUBELET_PORT = 10_250;
const CLUSTER_DOMAIN = "cluster.local";
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
  const wait = (reason: string): void => {
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
        waiting: wait,
        clock,
        log,
      },
      signal,
    );
    const nodes = nodeParts(role, access, places, health);
    wait("waiting for the Machines API");
    await together(
      [
        ...nodes,
        (running) => access.run(running),
        (running) => runPods({ role, access, places, metrics, health, state }, running),
      ],
      signal,
    );
  } catch (error) {
    if (!FksError.is(error, "Conflict")) throw error;
    // Somebody else's cluster or Node: nothing may be touched, and only a person can tell what to do.
    log.error("nothing is done until a person looks", { err: error });
    wait(error.message);
    await aborted(signal);
  }
}

/** A Node and where it is found. */
interface Place {
  readonly name: string;
  readonly index: number;
  readonly address: string;
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

/** One Node for every region this cluster ever had: what was placed there is served until drained. */
function placesOf({ cluster }: Role): readonly Place[] {
  return cluster.regions.map((name, index) => ({
    name,
    index,
    address: nodeAddressFor(cluster.networkId, index),
  }));
}

function nodeParts(
  { config, paths, clock, log }: Role,
  access: ClusterAccess,
  places: readonly Place[],
  health: HealthTracker,
): readonly ((signal: AbortSignal) => Promise<void>)[] {
  const facts = hostFacts(paths.dataDir);
  const nodes = kubernetesNodes(access.nodes);
  const leases = kubernetesLeases(access.nodes);
  const { version } = packageJson;
  return places.map(({ name, address }) => {
    const description: NodeDescription = {
      name,
      region: name,
      address,
      kubeletPort: KUBELET_PORT,
      capacity: capacityFor(facts, places.length, config.nodeCapacity),
      system: {
        machineID: facts.machineID,
        systemUUID: facts.machineID,
        bootID: facts.bootID,
        kernelVersion: facts.kernelVersion,
        osImage: facts.osImage,
        architecture: facts.architecture,
        operatingSystem: "linux",
        containerRuntimeVersion: `fks://${version}`,
        kubeletVersion: `${access.version.replace(/\+.*/, "")}+fks.${version}`,
        kubeProxyVersion: "",
      },
    };
    return (signal) =>
      runNodeController({ description, nodes, leases, health, clock, log }, signal);
  });
}

interface PodScope {
  readonly role: Role;
  readonly access: ClusterAccess;
  readonly places: readonly Place[];
  readonly metrics: KubeletMetrics;
  readonly health: HealthTracker;
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

  const apis = await untilThere(
    { what: "the Nodes' addresses", ...patiently },
    () => serveApis(scope, { machines, pods: watched, controller }, signal),
    signal,
  );
  state.parts = { controller, pods: watched, apis };

  await together(
    [
      (running) => watched.run(running),
      (running) => controller.run(running),
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
      },
    ],
    signal,
  );
  await Promise.all(apis.map(({ closed }) => closed));
}

function controllerOf(
  { role, access, places, metrics }: PodScope,
  { machines, apps, protocol }: KubeletMachines,
  pods: KubernetesPods,
): PodController {
  const { cluster, clock, log, config } = role;
  const plan = networkPlanFor(cluster.networkId);
  const isEmbedded = config.machines === "embedded";
  return podController({
    pods,
    machines,
    apps,
    ...(protocol === undefined ? {} : { protocol }),
    cluster: kubernetesClusterObjects({ client: access.client, nodes: access.nodes, clock }),
    events: metrics.events(kubernetesPodEvents({ nodes: access.nodes, clock })),
    clusterUid: access.clusterUid,
    apiServer: { host: plan.apiServer, port: API_SERVER_PORT },
    ...(isEmbedded ? { dns: { nameservers: [plan.resolver], domain: CLUSTER_DOMAIN } } : {}),
    nodes: new Map(places.map(({ name, address }) => [name, { region: name, hostIP: address }])),
    clock,
    log,
  });
}

interface Served {
  readonly machines: KubeletMachines;
  readonly pods: KubernetesPods;
  readonly controller: PodController;
}

/** The kubelet API of every Node, each with its own certificate on its own address. */
async function serveApis(
  { role, access, places, metrics }: PodScope,
  { machines, pods, controller }: Served,
  signal: AbortSignal,
): Promise<readonly KubeletApi[]> {
  const { protocol } = machines;
  if (protocol === undefined) return [];
  const { clock, log } = role;
  const reviews = kubernetesReviews({ client: access.client, clock });
  const podsOf = (node: string) =>
    pods.keys().flatMap((key) => {
      const pod = pods.get(key);
      return pod?.spec.nodeName === node ? [pod] : [];
    });

  return Promise.all(
    places.map(async ({ name, address }) => {
      const serving = access.serving.get(name);
      if (serving === undefined) throw new FksError("NotFound", `no certificate for ${name}`);
      try {
        return await serveKubeletApi(
          {
            nodes: [{ name, address, port: KUBELET_PORT }],
            tls: () => ({ ...serving.current(), clientCa: access.clientCa }),
            onTlsChange: (changed) => serving.onChange(changed),
            pods: podsOf,
            findPod: (node, namespace, podName) =>
              podsOf(node).find(
                ({ metadata }) => metadata.namespace === namespace && metadata.name === podName,
              ),
            machineFor: ({ metadata }) => {
              const sighting = controller.machineOf(metadata.uid);
              return sighting && { app: sighting.app, id: sighting.machine.id };
            },
            protocol,
            reviews,
            metrics: () => metrics.text(),
            log,
            clock,
          },
          signal,
        );
      } catch (cause) {
        // The address is made by another role, or the port is still held by our predecessor.
        throw new FksError("Unavailable", `[${address}]:${KUBELET_PORT}: ${messageOf(cause)}`, {
          cause,
        });
      }
    }),
  );
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
