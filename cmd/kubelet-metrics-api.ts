import type { NodeLabels } from "#adapters/metrics-api/objects.ts";
import { serveMetricsApi } from "#adapters/metrics-api/server.ts";
import { FksError, messageOf } from "#core/errors.ts";
import { sleep } from "#core/ports/clock.ts";
import type { AccessReviews } from "#core/ports/reviews.ts";
import type { UsageSampler } from "#core/usage/sampler.ts";
import type { ClusterAccess } from "./kubelet-access.ts";
import type { Role } from "./role.ts";

/** Beside the kubelet API, on the first Node's address. */
const METRICS_PORT = 4_443;
const RETRY_MS = 5_000;
/** Somebody may have removed what we registered, or serve the group themselves from now on. */
const LOOK_MS = 60_000;

interface MetricsApiParts {
  readonly role: Role;
  readonly access: Pick<ClusterAccess, "clientCa" | "requestHeader" | "metricsServing">;
  /** One of the host's. */
  readonly address: string;
  readonly usage: UsageSampler;
  readonly reviews: AccessReviews;
  readonly nodeLabels: NodeLabels;
  /** Tells the API server where it is served; false when somebody else serves it. */
  readonly register: (at: Place, signal: AbortSignal) => Promise<boolean>;
}

interface Place {
  readonly address: string;
  readonly port: number;
}

/**
 * Serves `metrics.k8s.io` and keeps it registered until `signal` aborts. Without it Pods run all
 * the same, so an address that cannot be had is tried again and is nobody's end.
 */
export async function runMetricsApi(parts: MetricsApiParts, signal: AbortSignal): Promise<void> {
  const { address, register, role } = parts;
  const { clock, log } = role;
  const at = { address, port: METRICS_PORT };
  let served: Served | undefined;
  let told = "";
  const tell = (news: string, fields: object): void => {
    if (news !== told) log.info(news, { ...at, ...fields });
    told = news;
  };

  while (!signal.aborted) {
    let waitMs = RETRY_MS;
    try {
      // oxlint-disable-next-line no-await-in-loop -- each try follows the last
      served ??= await serveAt(at, parts, signal);
      // oxlint-disable-next-line no-await-in-loop -- it must be served before it is registered
      const isOurs = await register(at, signal);
      tell(isOurs ? "metrics API registered" : "metrics API is served by somebody else", {});
      waitMs = LOOK_MS;
    } catch (error) {
      if (signal.aborted) break;
      if (!(error instanceof FksError)) throw error;
      tell("metrics API is not served yet", { reason: error.message });
    }
    // oxlint-disable-next-line no-await-in-loop -- the pace of looking
    await sleep(clock, waitMs, signal).catch(() => undefined);
  }
  await served?.over;
}

interface Served {
  /** Settles when everything has ended after the signal. */
  readonly over: Promise<unknown>;
}

async function serveAt(
  { address, port }: Place,
  { role, access, usage, reviews, nodeLabels }: MetricsApiParts,
  signal: AbortSignal,
): Promise<Served> {
  const { clock, log } = role;
  const { clientCa, requestHeader } = access;
  const serving = await access.metricsServing(signal);
  try {
    const { closed } = await serveMetricsApi(
      {
        address,
        port,
        tls: () => serving.current(),
        onTlsChange: (changed) => serving.onChange(changed),
        clientCa,
        requestHeader,
        reviews,
        usages: () => usage.nodes(),
        nodeLabels,
        log,
        clock,
      },
      signal,
    );
    return { over: Promise.all([closed, serving.run(signal)]) };
  } catch (cause) {
    throw new FksError("Unavailable", `[${address}]:${port}: ${messageOf(cause)}`, { cause });
  }
}
