import type { Namespace } from "../kube/namespace.ts";
import { APP_FINALIZER, APP_LABEL, appNameFor, isAppName, originOf } from "./app-name.ts";

/** Which App a namespace is to have. */
export type AppChoice =
  | {
      readonly app: string;
      /** The label names an App of the user's: it stays when the namespace goes. */
      readonly isAdopted: boolean;
    }
  /** Why the label cannot be followed, for people. */
  | { readonly refused: string };

/**
 * The label wins over the name we would give. A label that fks-node wrote for another namespace of
 * this cluster came with a copied manifest and is put right. Pure.
 */
export function appChoiceFor({ metadata }: Namespace, clusterUid: string): AppChoice {
  const own = appNameFor(metadata, clusterUid);
  const label = metadata.labels[APP_LABEL] ?? "";
  if (label === "" || label === own) return { app: own, isAdopted: false };
  if (!isAppName(label)) {
    return { refused: refusal(metadata.name, label, "is no name of an App") };
  }
  switch (originOf(label, clusterUid)) {
    case "ours":
      return { app: own, isAdopted: false };
    case "another cluster":
      return { refused: refusal(metadata.name, label, "belongs to another cluster") };
    case undefined:
      return { app: label, isAdopted: true };
  }
}

/** Whether label and finalizer are as `app` wants them. Pure. */
export function isClaimed({ metadata }: Namespace, app: string): boolean {
  return metadata.labels[APP_LABEL] === app && metadata.finalizers.includes(APP_FINALIZER);
}

/** One sentence for whoever wrote the label. */
export function refusal(namespace: string, label: string, why: string): string {
  return `label ${APP_LABEL} of namespace "${namespace}": App "${label}" ${why}`;
}
