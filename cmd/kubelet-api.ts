import { type KubeletApi, serveKubeletApi } from "#adapters/kubelet/server.ts";
import { FksError, messageOf } from "#core/errors.ts";
import type { Pod } from "#core/kube/pod.ts";
import { wholeOf } from "#core/kube/quantity.ts";
import type { PodController } from "#core/pod/pod-controller.ts";
import type { MachineProtocol } from "#core/ports/machine-protocol.ts";
import type { Pods } from "#core/ports/pods.ts";
import type { Reviews } from "#core/ports/reviews.ts";
import type { UsageSampler } from "#core/usage/sampler.ts";
import type { ClusterAccess } from "./kubelet-access.ts";
import { readHost } from "./kubelet-eviction.ts";
import type { KubeletMetrics } from "./kubelet-metrics.ts";
import { capacityOf, KUBELET_PORT, type Place } from "./kubelet-nodes.ts";
import { machineOf } from "./kubelet-usage.ts";
import type { Role } from "./role.ts";

interface KubeletApiParts {
  readonly role: Role;
  readonly access: ClusterAccess;
  readonly places: readonly Place[];
  readonly pods: Pods;
  readonly controller: PodController;
  readonly protocol: MachineProtocol;
  readonly usage: UsageSampler;
  readonly reviews: Reviews;
  readonly metrics: KubeletMetrics;
}

/**
 * The kubelet API of every Node, each with its own certificate on its own address.
 * Throws `Unavailable` while an address cannot be had.
 */
export function serveKubeletApis(
  parts: KubeletApiParts,
  signal: AbortSignal,
): Promise<readonly KubeletApi[]> {
  return Promise.all(parts.places.map((place) => serveAt(place, parts, signal)));
}

async function serveAt(
  { name, address }: Place,
  { role, access, places, pods, controller, protocol, usage, reviews, metrics }: KubeletApiParts,
  signal: AbortSignal,
): Promise<KubeletApi> {
  const { clock, log } = role;
  const { memory = "0" } = capacityOf(role, places);
  const serving = access.serving.get(name);
  if (serving === undefined) throw new FksError("NotFound", `no certificate for ${name}`);
  try {
    return await serveKubeletApi(
      {
        nodes: [{ name, address, port: KUBELET_PORT }],
        tls: () => ({ ...serving.current(), clientCa: access.clientCa }),
        onTlsChange: (changed) => serving.onChange(changed),
        pods: (node) => podsOn(node, pods),
        findPod: (node, namespace, podName) =>
          podsOn(node, pods).find(
            ({ metadata }) => metadata.namespace === namespace && metadata.name === podName,
          ),
        machineFor: (pod) => machineOf(pod, controller),
        usage: (node) => usage.node(node),
        size: () => ({ memoryBytes: wholeOf(memory), host: readHost(role) }),
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
}

function podsOn(node: string, pods: Pods): readonly Pod[] {
  return pods.keys().flatMap((key) => {
    const pod = pods.get(key);
    return pod?.spec.nodeName === node ? [pod] : [];
  });
}
