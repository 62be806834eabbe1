import type { VolumeFile } from "../fly/machine-protocol.ts";
import { type Addresses, fieldValueFor } from "../kube/field-ref.ts";
import type { KeyToPath, Pod, PodVolume, VolumeProjection } from "../kube/pod.ts";
import type { ConfigMapView, PodToken } from "../ports/cluster.ts";

const DEFAULT_MODE = 0o644;
const DEFAULT_TOKEN_SECONDS = 3600;

/** What the API server said about the sources of a Pod's volumes. */
export interface VolumeSources {
  /** By `tokenKey`. */
  readonly tokens: Pick<ReadonlyMap<string, PodToken>, "get">;
  /** By name; one that does not exist is missing. */
  readonly configMaps: Pick<ReadonlyMap<string, ConfigMapView>, "get">;
}

/** One token a Pod's volume asks for. */
export interface TokenWish {
  readonly key: string;
  readonly volume: string;
  readonly audience?: string;
  readonly expirationSeconds: number;
}

type ServiceAccountToken = NonNullable<VolumeProjection["serviceAccountToken"]>;

export function tokenWishesFor(pod: Pod): readonly TokenWish[] {
  return sourcesOf(pod).flatMap(({ volume, source: { serviceAccountToken: token } }) => {
    if (token === undefined) return [];
    const { audience, expirationSeconds = DEFAULT_TOKEN_SECONDS } = token;
    const wish = { key: tokenKey(volume.name, token), volume: volume.name, expirationSeconds };
    return [audience === undefined || audience === "" ? wish : { ...wish, audience }];
  });
}

/** The ConfigMaps a Pod's volumes name. */
export function configMapsFor(pod: Pod): readonly { name: string; isOptional: boolean }[] {
  return sourcesOf(pod).flatMap(({ source: { configMap } }) =>
    configMap === undefined
      ? []
      : [{ name: configMap.name, isOptional: configMap.optional === true }],
  );
}

/** The files of a projected volume; sources that were not resolved give none. Pure. */
export function filesFor(
  pod: Pod,
  volume: PodVolume,
  sources: VolumeSources,
  at: Addresses,
): readonly VolumeFile[] {
  const mode = volume.projected?.defaultMode ?? DEFAULT_MODE;
  return (volume.projected?.sources ?? []).flatMap((source) => {
    const token = source.serviceAccountToken;
    if (token !== undefined) {
      const text = sources.tokens.get(tokenKey(volume.name, token))?.token;
      return text === undefined ? [] : [textFile(token.path, text, mode)];
    }
    if (source.configMap !== undefined) {
      const view = sources.configMaps.get(source.configMap.name);
      return view === undefined ? [] : configMapFiles(view, source.configMap.items, mode);
    }
    return (source.downwardAPI?.items ?? []).map(({ path, mode: own = mode, fieldRef }) =>
      textFile(path, fieldValueFor(pod, fieldRef?.fieldPath ?? "", at) ?? "", own),
    );
  });
}

function configMapFiles(
  { data, binaryData }: ConfigMapView,
  items: readonly KeyToPath[] | undefined,
  defaultMode: number,
): readonly VolumeFile[] {
  const keys = [...Object.keys(data), ...Object.keys(binaryData)];
  const wanted: readonly KeyToPath[] = items ?? keys.map((key) => ({ key, path: key }));
  return wanted.flatMap(({ key, path, mode = defaultMode }) => {
    const text = data[key];
    if (text !== undefined) return [textFile(path, text, mode)];
    const content = binaryData[key];
    return content === undefined ? [] : [{ path, mode, content }];
  });
}

function sourcesOf(pod: Pod): readonly { volume: PodVolume; source: VolumeProjection }[] {
  return (pod.spec.volumes ?? []).flatMap((volume) =>
    (volume.projected?.sources ?? []).map((source) => ({ volume, source })),
  );
}

function tokenKey(volume: string, token: ServiceAccountToken): string {
  return `${volume}/${token.path}`;
}

function textFile(path: string, text: string, mode: number): VolumeFile {
  return { path, mode, content: new TextEncoder().encode(text).toBase64() };
}
