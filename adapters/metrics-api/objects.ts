import type { ServerResponse } from "node:http";
import { FksError } from "#core/errors.ts";
import { labelSelectorFor } from "#core/kube/label-selector.ts";
import {
  METRICS_GROUP,
  metricsListOf,
  nodeMetricsFor,
  podMetricsFor,
} from "#core/usage/metrics-objects.ts";
import type { MetricsQuery } from "#core/usage/metrics-routes.ts";
import type { NodeUsage } from "#core/usage/usage.ts";
import { sendJson } from "./respond.ts";

type Labels = Readonly<Record<string, string>>;

/** By name, the labels of the cluster's Nodes that the selector selects. */
export type NodeLabels = (
  labelSelector: string,
  signal: AbortSignal,
) => Promise<ReadonlyMap<string, Labels>>;

/** One PodMetrics, or the list of those that are asked for. Throws `NotFound`, `InvalidInput`. */
export function sendPods(
  usages: readonly NodeUsage[],
  query: MetricsQuery,
  response: ServerResponse,
): void {
  const isSelected = labelSelectorFor(query.labelSelector);
  // The path says what the caller was allowed; a selector only ever takes away from it.
  const asked = [query, fieldsIn(query.fieldSelector)];
  const items = usages
    .flatMap(({ pods }) => pods)
    .filter(({ pod: { metadata } }) => {
      const { labels = {} } = metadata;
      return asked.every((where) => isAt(metadata, where)) && isSelected(labels);
    })
    .flatMap((usage) => podMetricsFor(usage) ?? []);
  if (query.name === undefined) return sendJson(response, metricsListOf("PodMetrics", items));
  sendJson(response, only(items, "podmetrics", `${query.namespace}/${query.name}`));
}

/** The same for Nodes; only ours are known here. */
export async function sendNodes(
  usages: readonly NodeUsage[],
  query: MetricsQuery,
  { response, labels }: { readonly response: ServerResponse; readonly labels: NodeLabels },
  signal: AbortSignal,
): Promise<void> {
  const asked = [query, fieldsIn(query.fieldSelector)];
  const selected = await labels(query.labelSelector, signal);
  const items = usages.flatMap((usage) => {
    const found = selected.get(usage.name);
    const isMeant = asked.every((where) => isAt({ name: usage.name }, where));
    return isMeant && found !== undefined ? [nodeMetricsFor(usage, found)] : [];
  });
  if (query.name === undefined) return sendJson(response, metricsListOf("NodeMetrics", items));
  sendJson(response, only(items, "nodemetrics", query.name));
}

interface Where {
  readonly name?: string;
  readonly namespace?: string;
}

function isAt(place: Where, { name, namespace }: Where): boolean {
  return (
    (name === undefined || name === place.name) &&
    (namespace === undefined || namespace === place.namespace)
  );
}

function only(items: readonly object[], resource: string, name: string): object {
  const [item] = items;
  if (item !== undefined) return item;
  throw new FksError("NotFound", `${resource}.${METRICS_GROUP} "${name}" not found`);
}

/** `metadata.name=x,metadata.namespace=y`; nothing else can be selected by. */
function fieldsIn(selector: string): Where {
  const fields: { name?: string; namespace?: string } = {};
  for (const part of selector.split(",").filter((text) => text.trim() !== "")) {
    const [, field, value = ""] = /^\s*metadata\.(name|namespace)==?([^=!]*)$/.exec(part) ?? [];
    if (field === "name") fields.name = value.trim();
    else if (field === "namespace") fields.namespace = value.trim();
    else throw new FksError("InvalidInput", `field selector "${part.trim()}" is not supported`);
  }
  return fields;
}
