import { FksError } from "#core/errors.ts";
import { RUNTIME_CLASS } from "#core/kube/runtime-class.ts";
import { CSI_DRIVER, STORAGE_CLASSES } from "#core/volume/storage-objects.ts";
import type { KubernetesClient } from "./client.ts";
import { ignored } from "./decode.ts";
import type { Rule } from "./rights.ts";

const STORAGE = "/apis/storage.k8s.io/v1";
const GIVEN: readonly { readonly path: string; readonly body: object }[] = [
  ...STORAGE_CLASSES.map((body) => ({ path: `${STORAGE}/storageclasses`, body })),
  { path: `${STORAGE}/csidrivers`, body: CSI_DRIVER },
  { path: "/apis/node.k8s.io/v1/runtimeclasses", body: RUNTIME_CLASS },
];

export const GIVEN_OBJECTS_RULES: readonly Rule[] = [
  {
    apiGroups: ["storage.k8s.io"],
    resources: ["storageclasses", "csidrivers"],
    verbs: ["create"],
  },
  { apiGroups: ["node.k8s.io"], resources: ["runtimeclasses"], verbs: ["create"] },
];

/** What a cluster of ours has from its beginning; what somebody made of it stays. */
export async function ensureGivenObjects(
  client: KubernetesClient,
  signal: AbortSignal,
): Promise<void> {
  for (const { path, body } of GIVEN) {
    await client.create(path, body, ignored, signal).catch((error: unknown) => {
      if (!FksError.is(error, "Conflict")) throw error;
    });
  }
}
