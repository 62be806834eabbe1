import { isCritical } from "../eviction/admission.ts";
import type { Node, Taint } from "../kube/node.ts";
import type { Pod, Toleration } from "../kube/pod.ts";
import type { Rejection } from "../pod/security.ts";
import { isWantedNode } from "./node-affinity.ts";
import { roomRejectionFor } from "./resources.ts";

const OS_LABEL = "kubernetes.io/os";

/**
 * Why the Node takes no such new Pod beside `others`, in a kubelet's order and words. A critical Pod
 * is refused for no lack of room. Ports are not looked at: a Machine has a network of its own. Pure.
 */
export function nodeRejectionFor(
  pod: Pod,
  node: Node,
  others: readonly Pod[],
): Rejection | undefined {
  const os = pod.metadata.labels?.[OS_LABEL] ?? "linux";
  if (os !== "linux") {
    const message = "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label";
    return { reason: "PodOSSelectorNodeLabelDoesNotMatch", message };
  }
  return (
    (isCritical(pod) ? undefined : roomRejectionFor(pod, others, node.status?.allocatable ?? {})) ??
    predicateRejectionFor(pod, node)
  );
}

function predicateRejectionFor({ spec }: Pod, node: Node): Rejection | undefined {
  if (!isWantedNode(spec, node)) {
    return failed("NodeAffinity", "node(s) didn't match Pod's node affinity/selector");
  }
  const driven = node.spec?.taints?.some(
    (taint) => taint.effect === "NoExecute" && !isTolerated(taint, spec.tolerations ?? []),
  );
  return driven === true
    ? failed("TaintToleration", "node(s) had taints that the pod didn't tolerate")
    : undefined;
}

function failed(reason: string, why: string): Rejection {
  return { reason, message: `Predicate ${reason} failed: ${why}` };
}

function isTolerated(taint: Taint, tolerations: readonly Toleration[]): boolean {
  return tolerations.some(({ key = "", operator = "", value = "", effect = "" }) => {
    if (effect !== "" && effect !== taint.effect) return false;
    if (key !== "" && key !== taint.key) return false;
    if (operator === "Exists") return true;
    return (operator === "" || operator === "Equal") && value === (taint.value ?? "");
  });
}
