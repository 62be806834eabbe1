import { shortLived } from "../controller/short-lived.ts";
import { FksError } from "../errors.ts";
import type { Pod } from "../kube/pod.ts";
import type { Clock } from "../ports/clock.ts";
import type { ClusterObjects, ConfigMapView, PodToken } from "../ports/cluster.ts";
import { configMapsFor, tokenWishesFor, type VolumeSources } from "./projected-volume.ts";

/** How long a ConfigMap read for one Pod serves the next one too. */
const CONFIG_MAP_FRESH_MS = 10_000;
const RENEW_AT = 0.8;

export interface ResolvedSources extends VolumeSources {
  readonly tokens: ReadonlyMap<string, PodToken>;
}

export type Resolution =
  | { readonly ok: true; readonly sources: ResolvedSources }
  /** What is not there, in a kubelet's words; it may appear. */
  | { readonly ok: false; readonly missing: string };

/** Asks the API server for all that the Pod's volumes want. */
export type Resolve = (pod: Pod, signal: AbortSignal) => Promise<Resolution>;

export function podResolver(cluster: ClusterObjects, clock: Clock): Resolve {
  const configMaps = shortLived(clock, CONFIG_MAP_FRESH_MS, (key, signal) => {
    const [namespace = "", name = ""] = key.split("/");
    return cluster.configMap(namespace, name, signal);
  });

  async function configMap(key: string, signal: AbortSignal): Promise<ConfigMapView | undefined> {
    const view = await configMaps.get(key, signal);
    // It appears any moment in a new namespace: "not there" is never kept.
    if (view === undefined) configMaps.forget(key);
    return view;
  }

  return async (pod, signal) => {
    const { namespace } = pod.metadata;
    const found = new Map<string, ConfigMapView>();
    for (const { name, isOptional } of configMapsFor(pod)) {
      const view = await configMap(`${namespace}/${name}`, signal);
      if (view !== undefined) found.set(name, view);
      else if (!isOptional) return { ok: false, missing: `configmap "${name}" not found` };
    }
    const tokens = await tokensFor(pod, cluster, signal);
    return typeof tokens === "string"
      ? { ok: false, missing: tokens }
      : { ok: true, sources: { configMaps: found, tokens } };
  };
}

/**
 * Every token the Pod wants, or what is not there: its ServiceAccount, or the Pod itself in the copy
 * that the API server asks. Such a NotFound says nothing about the Machine and must not look like it.
 */
async function tokensFor(
  pod: Pod,
  cluster: ClusterObjects,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, PodToken> | string> {
  try {
    const tokens = await Promise.all(
      tokenWishesFor(pod).map(async ({ key, audience, expirationSeconds }) => {
        const request =
          audience === undefined ? { expirationSeconds } : { expirationSeconds, audience };
        return [key, await cluster.podToken(pod, request, signal)] as const;
      }),
    );
    return new Map(tokens);
  } catch (error) {
    if (FksError.is(error, "NotFound")) return error.message;
    throw error;
  }
}

/** When the first of the tokens has lived most of its life; undefined without tokens. */
export function renewalFor(
  tokens: ReadonlyMap<string, PodToken>,
  nowMs: number,
): number | undefined {
  const times = [...tokens.values()].map(({ expiresAt }) => {
    return nowMs + (Date.parse(expiresAt) - nowMs) * RENEW_AT;
  });
  return times.length === 0 ? undefined : Math.min(...times);
}
