import { FksError } from "#core/errors.ts";
import type { Service } from "#core/kube/service.ts";
import type { Services } from "#core/ports/services.ts";
import type { KubernetesClient } from "./client.ts";
import { ignored } from "./decode.ts";
import { serviceFrom } from "./service-codec.ts";
import type { Watched } from "./watched.ts";

/** Services: what `watched` knows, and what the API server says now. */
export function kubernetesServices(
  client: KubernetesClient,
  watched: Pick<Watched<Service>, "all" | "get">,
): Services {
  return {
    get: (key) => watched.get(key),
    all: () => watched.all(),

    async read(namespace, name, signal) {
      try {
        return await client.get(pathOf(namespace, name), serviceFrom, signal);
      } catch (error) {
        if (FksError.is(error, "NotFound")) return undefined;
        throw error;
      }
    },

    async annotate({ metadata }, annotations, signal) {
      const path = pathOf(metadata.namespace, metadata.name);
      const body = { metadata: { uid: metadata.uid, annotations } };
      await client.patch({ path, type: "merge-patch", body }, ignored, signal);
    },
  };
}

function pathOf(namespace: string, name: string): string {
  return `/api/v1/namespaces/${namespace}/services/${name}`;
}
