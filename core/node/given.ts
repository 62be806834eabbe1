/** What a person may put on every Node by configuration, judged before the API server is asked. */
import { TAINT_EFFECTS, type Taint } from "../kube/node.ts";
import { isLabelValue, isQualifiedName, prefixOf } from "../kube/qualified-name.ts";

/** Beside the prefixes `kubelet.kubernetes.io` and `node.kubernetes.io`; the same that a kubelet may set. */
const OWN_LABELS: ReadonlySet<string> = new Set([
  "kubernetes.io/hostname",
  "kubernetes.io/os",
  "kubernetes.io/arch",
  "beta.kubernetes.io/os",
  "beta.kubernetes.io/arch",
  "beta.kubernetes.io/instance-type",
  "node.kubernetes.io/instance-type",
  "topology.kubernetes.io/region",
  "topology.kubernetes.io/zone",
  "failure-domain.beta.kubernetes.io/region",
  "failure-domain.beta.kubernetes.io/zone",
]);
const OWN_PREFIX = /(^|\.)(kubelet|node)\.kubernetes\.io$/;
const RESERVED_PREFIX = /(^|\.)(kubernetes|k8s)\.io$/;

/** Why no Node of ours may carry this label, if it must not: the API server lets no kubelet set it. */
export function labelMistake(key: string, value: string): string | undefined {
  if (!isQualifiedName(key)) return `"${key}" is no name of a label`;
  if (!isLabelValue(value)) return `"${value}" is no value of a label`;
  const prefix = prefixOf(key);
  const isReserved = RESERVED_PREFIX.test(prefix) && !OWN_PREFIX.test(prefix);
  if (!isReserved || OWN_LABELS.has(key)) return undefined;
  return `"${key}" is not for kubelets to set: use another prefix, or node.kubernetes.io/`;
}

export function annotationMistake(key: string): string | undefined {
  return isQualifiedName(key.toLowerCase()) ? undefined : `"${key}" is no name of an annotation`;
}

/** `key=value:Effect` or `key:Effect`; a sentence when it is neither. */
export function taintFrom(text: string): Taint | string {
  const [, key = "", value = "", effect = ""] = /^([^=:]*)(?:=([^=:]*))?:([^:]*)$/.exec(text) ?? [];
  const known = TAINT_EFFECTS.find((name) => name === effect);
  if (known === undefined) {
    return `"${text}" is no taint: expected key=value:Effect with ${TAINT_EFFECTS.join(", ")}`;
  }
  if (!isQualifiedName(key)) return `"${key}" is no name of a taint`;
  if (!isLabelValue(value)) return `"${value}" is no value of a taint`;
  return value === "" ? { key, effect: known } : { key, value, effect: known };
}

export function taintText({ key, value, effect }: Taint): string {
  return value === undefined ? `${key}:${effect}` : `${key}=${value}:${effect}`;
}
