import { z } from "zod";
import { readTextIfThere } from "#adapters/host/files.ts";
import {
  type Credentials,
  type KubernetesClient,
  kubernetesClient,
} from "#adapters/kubernetes/client.ts";
import { decoderOf } from "#adapters/kubernetes/decode.ts";
import { type Access, accessFrom } from "#adapters/kubernetes/kubeconfig.ts";
import { removeWebhook } from "#adapters/kubernetes/mutating-webhook.ts";
import { FksError } from "#core/errors.ts";
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
  const access = accessFrom(text);
  const client = clientFor(access, () => access.credentials, clock);
  return { ...client, [Symbol.dispose]: () => client.close() };
}

/** What the administrator's kubeconfig says. Throws `Unavailable` until `serve` has written it. */
export async function adminAccess(path: string): Promise<Access> {
  const text = await readTextIfThere(path);
  if (text === undefined) throw new FksError("Unavailable", `${path} is not there yet`);
  return accessFrom(text);
}

/** The API server of `access`, with whatever `credentials` are good at the time of a call. */
export function clientFor(
  { server, ca }: Access,
  credentials: () => Credentials,
  clock: Clock,
): KubernetesClient {
  return kubernetesClient({ server, ...(ca !== undefined && { ca }), credentials, clock });
}

/** What the API server answers to its administrator, as it is. Throws `Unavailable` when it cannot be asked. */
export async function answerOf(
  paths: DataPaths,
  target: string,
  signal: AbortSignal,
): Promise<{ readonly status: number; readonly body: string }> {
  const { server, ca, credentials } = await adminAccess(paths.kubeconfig);
  const tls = { ...(ca !== undefined && { ca }), ...("cert" in credentials && credentials) };
  try {
    const response = await fetch(`${server}${target}`, { tls, signal });
    return { status: response.status, body: await response.text() };
  } catch (cause) {
    signal.throwIfAborted();
    throw new FksError("Unavailable", `${server} cannot be reached`, { cause });
  }
}

/**
 * What the API server says of itself: undefined when it is ready, else its own words.
 * Throws `Unavailable` when it cannot be asked.
 */
export async function unreadyWords(
  paths: DataPaths,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { status, body } = await answerOf(paths, "/readyz?verbose", signal);
  if (status === 200) return undefined;
  const failing = body.split("\n").filter((line) => line.startsWith("[-]"));
  return failing.length === 0 ? `HTTP ${status}` : failing.join(", ");
}

/** The role that gives Services their addresses does not run: the API server is not to wait for it. */
export async function expectNoAddresses(
  paths: DataPaths,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  using admin = await adminClient(paths, clock);
  if (admin !== undefined) await removeWebhook(admin, signal);
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
