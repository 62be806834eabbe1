import type { Pod } from "./pod.ts";

/** The addresses a field may refer to; `podIP` is unknown until the Machine exists. */
export interface Addresses {
  readonly podIP: string;
  readonly hostIP: string;
}

const SUBSCRIPT = /^metadata\.(labels|annotations)\['(.*)'\]$/;

/**
 * The text a `fieldRef` stands for; "" for a label or annotation that is not there.
 * Undefined when there is no such field. Source: Kubernetes docs, "Downward API".
 */
export function fieldValueFor(pod: Pod, fieldPath: string, at: Addresses): string | undefined {
  const [, map, key = ""] = SUBSCRIPT.exec(fieldPath) ?? [];
  if (map === "labels" || map === "annotations") return pod.metadata[map]?.[key] ?? "";
  return FIELDS[fieldPath]?.(pod, at);
}

const FIELDS: Readonly<Record<string, (pod: Pod, at: Addresses) => string>> = {
  "metadata.name": ({ metadata }) => metadata.name,
  "metadata.namespace": ({ metadata }) => metadata.namespace,
  "metadata.uid": ({ metadata }) => metadata.uid,
  "metadata.labels": ({ metadata }) => linesOf(metadata.labels),
  "metadata.annotations": ({ metadata }) => linesOf(metadata.annotations),
  "spec.nodeName": ({ spec }) => spec.nodeName ?? "",
  "spec.serviceAccountName": ({ spec }) => spec.serviceAccountName ?? "",
  "status.podIP": (_pod, { podIP }) => podIP,
  "status.podIPs": (_pod, { podIP }) => podIP,
  "status.hostIP": (_pod, { hostIP }) => hostIP,
  "status.hostIPs": (_pod, { hostIP }) => hostIP,
};

/** `key="value"`, one a line, sorted, as the downward API writes a whole map. */
function linesOf(map: Readonly<Record<string, string>> = {}): string {
  return Object.entries(map)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .join("\n");
}
