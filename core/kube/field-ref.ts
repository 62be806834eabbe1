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
  if (map === "labels" || map === "annotations") {
    // `constructor` is a good name for a label too.
    return new Map(Object.entries(pod.metadata[map] ?? {})).get(key) ?? "";
  }
  return FIELDS.get(fieldPath)?.(pod, at);
}

const FIELDS: ReadonlyMap<string, (pod: Pod, at: Addresses) => string> = new Map(
  Object.entries({
    "metadata.name": ({ metadata }: Pod) => metadata.name,
    "metadata.namespace": ({ metadata }: Pod) => metadata.namespace,
    "metadata.uid": ({ metadata }: Pod) => metadata.uid,
    "metadata.labels": ({ metadata }: Pod) => linesOf(metadata.labels),
    "metadata.annotations": ({ metadata }: Pod) => linesOf(metadata.annotations),
    "spec.nodeName": ({ spec }: Pod) => spec.nodeName ?? "",
    "spec.serviceAccountName": ({ spec }: Pod) => spec.serviceAccountName ?? "",
    "status.podIP": (_pod: Pod, { podIP }: Addresses) => podIP,
    "status.podIPs": (_pod: Pod, { podIP }: Addresses) => podIP,
    "status.hostIP": (_pod: Pod, { hostIP }: Addresses) => hostIP,
    "status.hostIPs": (_pod: Pod, { hostIP }: Addresses) => hostIP,
  }),
);

/** `key="value"`, one a line, sorted, as the downward API writes a whole map. */
function linesOf(map: Readonly<Record<string, string>> = {}): string {
  return Object.entries(map)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${quoted(value)}`)
    .join("\n");
}

const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['"', '\\"'],
  ["\\", "\\\\"],
  ["\u0007", "\\a"],
  ["\b", "\\b"],
  ["\f", "\\f"],
  ["\n", "\\n"],
  ["\r", "\\r"],
  ["\t", "\\t"],
  ["\u000b", "\\v"],
]);

/** As Go quotes a string. */
function quoted(text: string): string {
  const escaped = text.replaceAll(/["\\\p{Cc}]/gu, (one) => {
    const code = one.charCodeAt(0);
    const hex = code.toString(16);
    return ESCAPES.get(one) ?? (code < 0x80 ? `\\x${hex.padStart(2, "0")}` : `\\u00${hex}`);
  });
  return `"${escaped}"`;
}
