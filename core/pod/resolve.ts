import { shortLived } from "../controller/short-lived.ts";
import { FksError } from "../errors.ts";
import type { Pod } from "../kube/pod.ts";
import type { Clock } from "../ports/clock.ts";
import type {
  ClusterObjects,
  ConfigMapView,
  PodToken,
  SecretView,
  ServiceView,
} from "../ports/cluster.ts";
import { objectsNamedBy } from "./named-objects.ts";
import type { PodSources } from "./sources.ts";
import { missingVolumeOf, mountFailure, type TokenWish, tokenWishesFor } from "./volumes.ts";

/** How long an object read for one Pod serves the next one too. */
const OBJECT_FRESH_MS = 20_000;
/** The same for one that never changes; it may still be deleted and made anew. */
const IMMUTABLE_FRESH_MS = 600_000;
/** Pods of one burst see the same Services; one that comes right after a Service sees it. */
const SERVICES_FRESH_MS = 1_000;
const RENEW_AT = 0.8;
const TOKEN_AGE_MAX_MS = 24 * 3_600_000;
/** Beyond it the oldest tokens are asked for again. */
const TOKENS_MAX = 20_000;

export interface ResolvedSources extends PodSources {
  /** Another one whenever any of it is different. */
  readonly version: string;
  /** When the first of the tokens wants to be renewed; undefined without tokens. */
  readonly renewAtMs: number | undefined;
}

export type Resolution =
  | { readonly ok: true; readonly sources: ResolvedSources }
  /** What is not there, in a kubelet's words; it may appear. */
  | { readonly ok: false; readonly missing: string };

/**
 * Asks the API server for all that the Pod refers to. What only a container's variables miss is no
 * reason to wait for: it is left out.
 */
export type Resolve = (pod: Pod, signal: AbortSignal) => Promise<Resolution>;

export function podResolver(cluster: ClusterObjects, clock: Clock): Resolve {
  const configMaps = kept<ConfigMapView>(clock, (pod, name, signal) =>
    cluster.configMap(pod, name, signal),
  );
  const secrets = kept<SecretView>(clock, (pod, name, signal) => cluster.secret(pod, name, signal));
  const links = shortLived<readonly ServiceView[]>(clock, () => SERVICES_FRESH_MS);
  const servicesFor = async ({ metadata: { namespace }, spec }: Pod, signal: AbortSignal) =>
    spec.enableServiceLinks === false
      ? []
      : links.get(namespace, () => cluster.services(namespace, signal));
  const tokensFor = tokenKeeper(cluster, clock);

  return async (pod, signal) => {
    const named = objectsNamedBy(pod);
    const [foundMaps, foundSecrets, services] = await Promise.all([
      configMaps(pod, named.configMaps, signal),
      secrets(pod, named.secrets, signal),
      servicesFor(pod, signal),
    ]);
    const objects = { configMaps: foundMaps, secrets: foundSecrets };
    const missing = missingVolumeOf(pod, objects);
    if (missing !== undefined) return { ok: false, missing };

    const tokens = await tokensFor(pod, signal);
    if (typeof tokens === "string") return { ok: false, missing: tokens };
    const renewals = [...tokens.values()].map((token) => token.renewAtMs);
    return {
      ok: true,
      sources: {
        ...objects,
        tokens,
        services,
        renewAtMs: renewals.length === 0 ? undefined : Math.min(...renewals),
        version: JSON.stringify([
          versionsOf(foundMaps),
          versionsOf(foundSecrets),
          services,
          [...tokens].map(([key, { expiresAt, renewAtMs }]) => [key, expiresAt, renewAtMs]),
        ]),
      },
    };
  };
}

type Objects<T> = (
  pod: Pod,
  names: readonly string[],
  signal: AbortSignal,
) => Promise<ReadonlyMap<string, T>>;

/** One read per object and time, however many Pods name it. */
function kept<T extends { readonly isImmutable: boolean }>(
  clock: Clock,
  read: (pod: Pod, name: string, signal: AbortSignal) => Promise<T | undefined>,
): Objects<T> {
  const views = shortLived<T | undefined>(clock, (view) => {
    // It appears any moment: "not there" is never kept.
    if (view === undefined) return 0;
    return view.isImmutable ? IMMUTABLE_FRESH_MS : OBJECT_FRESH_MS;
  });
  return async (pod, names, signal) => {
    const { namespace } = pod.metadata;
    const asked = names.map((name) =>
      views.get(`${namespace}/${name}`, () => read(pod, name, signal)),
    );
    const found = await Promise.all(asked);
    return new Map(
      names.flatMap((name, index) => {
        const view = found[index];
        return view === undefined ? [] : [[name, view] as const];
      }),
    );
  };
}

function versionsOf(
  objects: ReadonlyMap<string, { readonly version: string }>,
): readonly (readonly [name: string, version: string])[] {
  return [...objects].map(([name, { version }]) => [name, version] as const);
}

interface KeptToken extends PodToken {
  readonly renewAtMs: number;
}

type Tokens = ReadonlyMap<string, KeptToken>;

/**
 * Every token the Pod wants, each until most of its life is over; or what is not there: its
 * ServiceAccount, or the Pod itself in the copy that the API server asks. Such a NotFound says
 * nothing about the Machine and must not look like it.
 */
function tokenKeeper(
  cluster: ClusterObjects,
  clock: Clock,
): (pod: Pod, signal: AbortSignal) => Promise<Tokens | string> {
  const tokens = new Map<string, KeptToken>();

  async function tokenFor(pod: Pod, wish: TokenWish, signal: AbortSignal): Promise<KeptToken> {
    const { key: _, volume, ...request } = wish;
    const key = JSON.stringify([pod.metadata.uid, request]);
    const known = tokens.get(key);
    if (known !== undefined && known.renewAtMs > clock.now()) return known;

    const token = await cluster.podToken(pod, request, signal).catch((error: unknown) => {
      if (!FksError.is(error, "NotFound")) throw error;
      throw new FksError(
        "NotFound",
        mountFailure(volume, `failed to fetch token: ${error.message}`),
      );
    });
    const nowMs = clock.now();
    const lifeMs = Date.parse(token.expiresAt) - nowMs;
    const renewAtMs = nowMs + Math.min(lifeMs * RENEW_AT, TOKEN_AGE_MAX_MS);
    tokens.delete(key);
    tokens.set(key, { ...token, renewAtMs });
    const [oldest] = tokens.keys();
    if (tokens.size > TOKENS_MAX && oldest !== undefined) tokens.delete(oldest);
    return { ...token, renewAtMs };
  }

  return async (pod, signal) => {
    try {
      const found = tokenWishesFor(pod).map(
        async (wish) => [wish.key, await tokenFor(pod, wish, signal)] as const,
      );
      return new Map(await Promise.all(found));
    } catch (error) {
      if (FksError.is(error, "NotFound")) return error.message;
      throw error;
    }
  };
}
