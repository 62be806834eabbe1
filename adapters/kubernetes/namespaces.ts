import { FksError } from "#core/errors.ts";
import type { Namespaces } from "#core/ports/namespaces.ts";
import type { KubernetesClient, PatchRequest } from "./client.ts";
import { ignored } from "./decode.ts";
import { namespaceFrom } from "./namespace-codec.ts";

const NAMESPACES = "/api/v1/namespaces";

/** Namespaces as the API server has them; nothing is remembered. */
export function kubernetesNamespaces(client: KubernetesClient): Namespaces {
  return {
    read: (name, signal) => client.get(`${NAMESPACES}/${name}`, namespaceFrom, signal),

    list: async (signal) => (await client.list(NAMESPACES, {}, namespaceFrom, signal)).items,

    async claim({ metadata: { name, uid } }, { labels, finalizer }, signal) {
      // A list of finalizers in a strategic merge adds to what is there.
      const metadata = { uid, labels, finalizers: [finalizer] };
      try {
        await client.patch(patchOf(name, metadata), ignored, signal);
      } catch (error) {
        if (!FksError.is(error, "InvalidInput")) throw error;
        throw new FksError("Conflict", `namespace "${name}" is being deleted`, { cause: error });
      }
    },

    async letGo({ metadata: { name, uid } }, finalizer, signal) {
      const metadata = { uid, "$deleteFromPrimitiveList/finalizers": [finalizer] };
      try {
        await client.patch(patchOf(name, metadata), ignored, signal);
      } catch (error) {
        // Gone, or another one of the same name by now.
        if (!FksError.is(error, "NotFound") && !FksError.is(error, "Conflict")) throw error;
      }
    },
  };
}

function patchOf(name: string, metadata: object): PatchRequest {
  return { path: `${NAMESPACES}/${name}`, type: "strategic-merge-patch", body: { metadata } };
}
