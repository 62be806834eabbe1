import { z } from "zod";
import { FksError } from "#core/errors.ts";
import type { Node } from "#core/kube/node.ts";
import type { Nodes } from "#core/ports/nodes.ts";
import type { KubernetesClient, PatchRequest } from "./client.ts";
import { decoderOf, ignored } from "./decode.ts";

const FIELD_MANAGER = "fks-node";

const essentials = z.object({ metadata: z.object({ name: z.string(), uid: z.string() }) });

export const nodeFrom = decoderOf(
  z.custom<Node>((value) => essentials.safeParse(value).success),
  "Node",
);

/** Nodes by server-side apply, so that other people's fields stay theirs. */
export function kubernetesNodes(clients: ReadonlyMap<string, KubernetesClient>): Nodes {
  const clientOf = (name: string): KubernetesClient => {
    const client = clients.get(name);
    if (client === undefined) throw new FksError("NotFound", `no Node of ours is named "${name}"`);
    return client;
  };

  return {
    async read(name, signal) {
      try {
        return await clientOf(name).get(`/api/v1/nodes/${name}`, nodeFrom, signal);
      } catch (error) {
        if (FksError.is(error, "NotFound")) return undefined;
        throw error;
      }
    },
    async register(name, taints, signal) {
      // No apply: a Node may make itself tainted, and may never change its taints again.
      const body = { apiVersion: "v1", kind: "Node", metadata: { name }, spec: { taints } };
      try {
        await clientOf(name).create("/api/v1/nodes", body, ignored, signal);
      } catch (error) {
        if (!FksError.is(error, "Conflict")) throw error;
      }
    },
    async applyObject(name, metadata, signal) {
      const request = apply(name, "", { metadata: { name, ...metadata } });
      return clientOf(name).patch(request, nodeFrom, signal);
    },
    async applyStatus(name, status, signal) {
      const request = apply(name, "/status", { metadata: { name }, status });
      await clientOf(name).patch(request, ignored, signal);
    },
  };
}

/** By name, the labels of the Nodes that a label selector selects. */
export async function nodeLabels(
  client: KubernetesClient,
  labelSelector: string,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Readonly<Record<string, string>>>> {
  const query = labelSelector === "" ? {} : { labelSelector };
  const { items } = await client.list("/api/v1/nodes", query, nodeFrom, signal);
  return new Map(items.map(({ metadata }) => [metadata.name, metadata.labels ?? {}]));
}

/** A server-side apply of our fields; `force` takes them back from whoever wrote them last. */
function apply(name: string, subresource: string, fields: object): PatchRequest {
  return {
    path: `/api/v1/nodes/${name}${subresource}?fieldManager=${FIELD_MANAGER}&force=true`,
    type: "apply-patch",
    body: { apiVersion: "v1", kind: "Node", ...fields },
  };
}
