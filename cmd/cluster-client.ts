import { z } from "zod";
import { readTextIfThere } from "#adapters/host/files.ts";
import { type KubernetesClient, kubernetesClient } from "#adapters/kubernetes/client.ts";
import { decoderOf } from "#adapters/kubernetes/decode.ts";
import { accessFrom } from "#adapters/kubernetes/kubeconfig.ts";
import type { Clock } from "#core/ports/clock.ts";
import type { NodeReport } from "#core/status/report.ts";
import type { DataPaths } from "./paths.ts";

/** The API server as its administrator; undefined until `serve` has written the kubeconfig. */
export async function adminClient(
  paths: DataPaths,
  clock: Clock,
): Promise<(KubernetesClient & Disposable) | undefined> {
  const text = await readTextIfThere(paths.kubeconfig);
  if (text === undefined) return undefined;
  const { server, ca, credentials } = accessFrom(text);
  const client = kubernetesClient({
    server,
    ...(ca !== undefined && { ca }),
    credentials: () => credentials,
    clock,
  });
  return { ...client, [Symbol.dispose]: () => client.close() };
}

const nodeFrom = decoderOf(
  z.object({
    metadata: z.object({ name: z.string() }),
    status: z
      .object({
        conditions: z
          .array(
            z.object({ type: z.string(), status: z.string(), message: z.string().default("") }),
          )
          .default([]),
      })
      .default({ conditions: [] }),
  }),
  "Node",
);

/** Every Node and whether it is Ready. */
export async function nodeReports(
  client: KubernetesClient,
  signal: AbortSignal,
): Promise<readonly NodeReport[]> {
  const { items } = await client.list("/api/v1/nodes", {}, nodeFrom, signal);
  return items.map(({ metadata, status }) => {
    const ready = status.conditions.find(({ type }) => type === "Ready");
    const isReady = ready?.status === "True";
    const reason = ready?.message ?? "has not told yet whether it is ready";
    return { name: metadata.name, ready: isReady, ...(!isReady && { reason }) };
  });
}
