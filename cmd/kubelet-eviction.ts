import { hostReading } from "#adapters/host/host-reading.ts";
import { kubernetesNodeEvents, kubernetesPodEvents } from "#adapters/kubernetes/events.ts";
import { type Active, runEvictor } from "#core/eviction/evictor.ts";
import { type PressureTracker, pressureTracker } from "#core/eviction/pressure-tracker.ts";
import type { HostReading } from "#core/eviction/signals.ts";
import { thresholdsIn } from "#core/eviction/thresholds.ts";
import { isTerminal } from "#core/pod/phase.ts";
import type { PodController } from "#core/pod/pod-controller.ts";
import type { MachineProtocol } from "#core/ports/machine-protocol.ts";
import type { Pods } from "#core/ports/pods.ts";
import type { UsageSampler } from "#core/usage/sampler.ts";
import type { ClusterAccess } from "./kubelet-access.ts";
import type { KubeletMetrics } from "./kubelet-metrics.ts";
import type { Place } from "./kubelet-nodes.ts";
import type { Role } from "./role.ts";

/** What this host has left. */
export function readHost({ paths, clock }: Role): HostReading {
  return hostReading({ node: paths.machines, images: paths.images }, clock.now());
}

/** What the Nodes are short of: the host's business only while their Machines run on it. */
export function nodePressure(role: Role): PressureTracker {
  const { config, clock, log } = role;
  const isHere = config.machines === "embedded" && config.runtime === "crun";
  const thresholds = isHere ? thresholdsIn(config.evictionHard) : [];
  return pressureTracker({ thresholds, read: () => readHost(role), clock, log });
}

interface EvictionParts {
  readonly role: Role;
  readonly access: ClusterAccess;
  readonly places: readonly Place[];
  readonly metrics: KubeletMetrics;
  readonly pressure: PressureTracker;
  readonly pods: Pods;
  readonly controller: PodController;
  readonly protocol: MachineProtocol;
  readonly usage: UsageSampler;
}

/** Evicts Pods that go beyond their limits, and while the host is short of something, until `signal` aborts. */
export function runEviction(parts: EvictionParts, signal: AbortSignal): Promise<void> {
  const { role, access, places, metrics, pressure, protocol, usage } = parts;
  const { clock, log } = role;
  const nodes = places.map(({ name }) => name);
  return runEvictor(
    {
      pressure,
      nodes,
      active: () => activeIn(parts),
      usages: async () =>
        (await Promise.all(nodes.map((name) => usage.node(name)))).flatMap(({ pods }) => pods),
      protocol,
      events: metrics.events(kubernetesPodEvents({ nodes: access.nodes, clock })),
      nodeEvents: kubernetesNodeEvents({ nodes: access.nodes }),
      clock,
      log,
    },
    signal,
  );
}

/** Pods whose Machine runs or starts, and that nobody has told to go. */
function activeIn({ pods, controller }: EvictionParts): readonly Active[] {
  return pods.keys().flatMap((key) => {
    const pod = pods.get(key);
    const sighting = pod && controller.machineOf(pod.metadata.uid);
    if (pod === undefined || sighting === undefined) return [];
    const { state, id } = sighting.machine;
    const isGoing = pod.metadata.deletionTimestamp !== undefined || isTerminal(pod.status?.phase);
    if (isGoing || (state !== "started" && state !== "starting")) return [];
    return [{ pod, machine: { app: sighting.app, id } }];
  });
}
