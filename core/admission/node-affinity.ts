import { isRequirementMet } from "../kube/label-selector.ts";
import type { Node } from "../kube/node.ts";
import type { NodeSelectorRequirement, NodeSelectorTerm } from "../kube/node-affinity.ts";
import type { PodSpec } from "../kube/pod.ts";

type Fields = Readonly<Record<string, string>>;

const INTEGER = /^[+-]?\d+$/;

/** Whether the Pod may be on this Node by its `nodeSelector` and its required affinity. Pure. */
export function isWantedNode(
  { nodeSelector = {}, affinity }: PodSpec,
  { metadata }: Node,
): boolean {
  const labels = metadata.labels ?? {};
  if (Object.entries(nodeSelector).some(([key, value]) => labels[key] !== value)) return false;
  const required = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  if (required === undefined) return true;
  return required.nodeSelectorTerms.some((term) =>
    isTermMet(term, labels, { "metadata.name": metadata.name }),
  );
}

/** A term that asks for nothing is met by no Node. */
function isTermMet(
  { matchExpressions = [], matchFields = [] }: NodeSelectorTerm,
  labels: Fields,
  fields: Fields,
): boolean {
  if (matchExpressions.length + matchFields.length === 0) return false;
  return (
    matchExpressions.every((one) => isMet(one, labels)) &&
    matchFields.every((one) => isMet(one, fields))
  );
}

function isMet({ key, operator, values = [] }: NodeSelectorRequirement, of: Fields): boolean {
  switch (operator) {
    case "Exists":
    case "DoesNotExist":
    case "In":
    case "NotIn":
      return isRequirementMet({ key, operator, values }, of);
    case "Gt":
    case "Lt":
      return isBeyond(operator, Object.hasOwn(of, key) ? of[key] : undefined, values[0]);
    default:
      return false;
  }
}

function isBeyond(operator: "Gt" | "Lt", value = "", than = ""): boolean {
  if (!INTEGER.test(value) || !INTEGER.test(than)) return false;
  return operator === "Gt" ? BigInt(value) > BigInt(than) : BigInt(value) < BigInt(than);
}
