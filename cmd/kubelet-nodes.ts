import { hostFacts } from "#adapters/host/host-facts.ts";
import { kubernetesLeases } from "#adapters/kubernetes/leases.ts";
import { kubernetesNodes } from "#adapters/kubernetes/nodes.ts";
import { type Admit, type AdmitDeps, nodeAdmission } from "#core/admission/admit.ts";
import { pressureRejectionFor } from "#core/eviction/admission.ts";
import type { PressureTracker } from "#core/eviction/pressure-tracker.ts";
import { nodeAddressFor } from "#core/fly/network.ts";
import { capacityFor, type NodeCapacity } from "#core/node/capacity.ts";
import type { HealthTracker } from "#core/node/health.ts";
import type { NodeDescription } from "#core/node/node.ts";
import { runNodeController } from "#core/node/node-controller.ts";
import packageJson from "../package.json";
import type { ClusterAccess } from "./kubelet-access.ts";
import type { Role } from "./role.ts";

export const KUBELET_PORT = 10_250;

/** A Node and where it is found. */
export interface Place {
  readonly name: string;
  readonly index: number;
  readonly address: string;
}

/** One Node for every region this cluster ever had: what was placed there is served until drained. */
export function placesOf({ cluster }: Role): readonly Place[] {
  return cluster.regions.map((name, index) => ({
    name,
    index,
    address: nodeAddressFor(cluster.networkId, index),
  }));
}

/** What each of the Nodes has for its Pods. */
export function capacityOf({ config, paths }: Role, places: readonly Place[]): NodeCapacity {
  return capacityFor(hostFacts(paths.dataDir), places.length, config.nodeCapacity);
}

/** What a Node says to a new Pod: by what the host is short of, then by what the Node is. */
export function admissionOf(
  { clock }: Role,
  access: ClusterAccess,
  pressure: PressureTracker,
  seen: Pick<AdmitDeps, "pods" | "hasMachine">,
): Admit {
  return nodeAdmission({
    ...seen,
    nodes: kubernetesNodes(access.nodes),
    firstRejectionFor: (pod) => pressureRejectionFor(pod, pressure.current()),
    clock,
  });
}

/** What keeps each Node and its Lease, one part for every place. */
export function nodeParts(
  role: Role,
  access: ClusterAccess,
  places: readonly Place[],
  { health, pressure }: { readonly health: HealthTracker; readonly pressure: PressureTracker },
): readonly ((signal: AbortSignal) => Promise<void>)[] {
  const { paths, clock, log, config } = role;
  const facts = hostFacts(paths.dataDir);
  const capacity = capacityOf(role, places);
  const nodes = kubernetesNodes(access.nodes);
  const leases = kubernetesLeases(access.nodes);
  const { version } = packageJson;
  return places.map(({ name, address }) => {
    const description: NodeDescription = {
      name,
      region: name,
      address,
      kubeletPort: KUBELET_PORT,
      capacity,
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
      labels: config.nodeLabels,
      annotations: config.nodeAnnotations,
      taints: config.registerWithTaints,
    };
    return (signal) =>
      runNodeController({ description, nodes, leases, health, pressure, clock, log }, signal);
  });
}
