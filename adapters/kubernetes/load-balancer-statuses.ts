import { FksError } from "#core/errors.ts";
import type { LoadBalancerStatuses } from "#core/ports/edge.ts";
import type { KubernetesClient } from "./client.ts";
import { ignored } from "./decode.ts";

/** `status.loadBalancer` of Services. */
export function loadBalancerStatuses(client: KubernetesClient): LoadBalancerStatuses {
  return {
    async write({ metadata: { namespace, name, uid } }, addresses, signal) {
      const path = `/api/v1/namespaces/${namespace}/services/${name}/status`;
      // Connections come from the edge, not from the client: nobody may take a short way to them.
      const ingress = addresses.map((ip) => ({ ip, ipMode: "Proxy" }));
      const body = { metadata: { uid }, status: { loadBalancer: { ingress } } };
      try {
        await client.patch({ path, type: "merge-patch", body }, ignored, signal);
      } catch (error) {
        if (!FksError.is(error, "NotFound") && !FksError.is(error, "Conflict")) throw error;
      }
    },
  };
}
