import { FksError } from "#core/errors.ts";
import type { LeaseRenewal, Leases } from "#core/ports/nodes.ts";
import type { KubernetesClient } from "./client.ts";
import { ignored } from "./decode.ts";

const LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";

/** Leases of Nodes, each renewed with its Node's own identity. */
export function kubernetesLeases(clients: ReadonlyMap<string, KubernetesClient>): Leases {
  return {
    async renew(node, renewal, signal) {
      const client = clients.get(node);
      if (client === undefined)
        throw new FksError("NotFound", `no Node of ours is named "${node}"`);
      const body = leaseFor(node, renewal);
      const path = `${LEASES}/${node}`;
      try {
        await client.patch({ path, type: "merge-patch", body }, ignored, signal);
      } catch (error) {
        if (!FksError.is(error, "NotFound")) throw error;
        await client.create(LEASES, body, ignored, signal);
      }
    },
  };
}

function leaseFor(name: string, { nowMs, durationSeconds, nodeUid }: LeaseRenewal): object {
  const owner = { apiVersion: "v1", kind: "Node", name, uid: nodeUid };
  return {
    apiVersion: "coordination.k8s.io/v1",
    kind: "Lease",
    metadata: {
      name,
      namespace: "kube-node-lease",
      ...(nodeUid === undefined ? {} : { ownerReferences: [owner] }),
    },
    spec: {
      holderIdentity: name,
      leaseDurationSeconds: durationSeconds,
      // MicroTime: the API server wants exactly six digits.
      renewTime: new Date(nowMs).toISOString().replace("Z", "000Z"),
    },
  };
}
