import type { VolumeFile } from "../fly/machine-protocol.ts";
import { fieldValueFor } from "../kube/field-ref.ts";
import type {
  ConfigMapProjection,
  DownwardProjection,
  KeyToPath,
  Pod,
  PodVolume,
  VolumeProjection,
} from "../kube/pod.ts";
import { resourceValueFor } from "../kube/resource-field.ts";
import type { ConfigMapView, SecretView } from "../ports/cluster.ts";
import { membersOf } from "./container-roles.ts";
import { userContextFor } from "./fields/user.ts";
import type { PodSources, Surroundings } from "./sources.ts";

const DEFAULT_MODE = 0o644;
/** What a kubelet adds to every file of a Pod with an `fsGroup`… */
const GROUP_READS = 0o440;
/** …whose tokens nobody else may read. */
const TOKEN_MODE = 0o600;
const DEFAULT_TOKEN_SECONDS = 3600;

/** One token a Pod's volume asks for. */
export interface TokenWish {
  readonly key: string;
  readonly volume: string;
  readonly audience?: string;
  readonly expirationSeconds: number;
}

/** All that files are made from. */
type VolumeSources = Omit<PodSources, "services"> & Surroundings;
type Objects = Pick<PodSources, "configMaps" | "secrets">;
type ServiceAccountToken = NonNullable<VolumeProjection["serviceAccountToken"]>;

export function tokenWishesFor(pod: Pod): readonly TokenWish[] {
  return (pod.spec.volumes ?? []).flatMap((volume) =>
    projectionsOf(volume).flatMap(({ serviceAccountToken: token }) => {
      if (token === undefined) return [];
      const { audience = "", expirationSeconds = DEFAULT_TOKEN_SECONDS } = token;
      const wish = { key: tokenKey(volume.name, token), volume: volume.name, expirationSeconds };
      return [audience === "" ? wish : { ...wish, audience }];
    }),
  );
}

/** True for a volume whose files come with the bundle. */
export function isFilesVolume({ configMap, secret, downwardAPI, projected }: PodVolume): boolean {
  return (configMap ?? secret ?? downwardAPI ?? projected) !== undefined;
}

/** Why a volume of the Pod cannot be there yet, in the kubelet's words; undefined when all can. */
export function missingVolumeOf(pod: Pod, sources: Objects): string | undefined {
  for (const volume of pod.spec.volumes ?? []) {
    for (const projection of projectionsOf(volume)) {
      const missing = missingIn(projection, sources);
      if (missing !== undefined) return mountFailure(volume.name, missing);
    }
  }
  return undefined;
}

export function mountFailure(volume: string, why: string): string {
  return `MountVolume.SetUp failed for volume "${volume}" : ${why}`;
}

/** By name of the volume its files; what was not resolved gives none. Pure. */
export function volumeFilesFor(
  pod: Pod,
  sources: VolumeSources,
): Readonly<Record<string, readonly VolumeFile[]>> {
  const volumes = (pod.spec.volumes ?? []).filter(isFilesVolume);
  return Object.fromEntries(volumes.map((one) => [one.name, filesFor(pod, one, sources)]));
}

function filesFor(pod: Pod, volume: PodVolume, sources: VolumeSources): readonly VolumeFile[] {
  const { configMap, secret, downwardAPI, projected } = volume;
  const { defaultMode = DEFAULT_MODE } = configMap ?? secret ?? downwardAPI ?? projected ?? {};
  const hasGroup = pod.spec.securityContext?.fsGroup !== undefined;
  const owner = ownerOf(pod);
  const files = new Map<string, VolumeFile>();
  for (const projection of projectionsOf(volume)) {
    for (const file of filesOf(projection)) {
      files.set(file.path, hasGroup ? { ...file, mode: file.mode | GROUP_READS } : file);
    }
  }
  // Of two sources with the same path the later one wins.
  return [...files.values()];

  function filesOf(source: VolumeProjection): readonly VolumeFile[] {
    const { serviceAccountToken: token, configMap: map, secret: keys } = source;
    if (token !== undefined) {
      const text = sources.tokens.get(tokenKey(volume.name, token))?.token;
      const mode = hasGroup || owner !== undefined ? TOKEN_MODE : defaultMode;
      if (text === undefined) return [];
      const file = textFile(token.path, text, mode);
      return [owner === undefined ? file : { ...file, uid: owner }];
    }
    if (map !== undefined) {
      return keyFiles(map, contentOfMap(sources.configMaps.get(map.name ?? "")), defaultMode);
    }
    if (keys !== undefined) {
      return keyFiles(keys, sources.secrets.get(keys.name ?? "")?.data, defaultMode);
    }
    return downwardFiles(pod, source.downwardAPI ?? {}, sources, defaultMode);
  }
}

/** The one user of all containers, to whom a kubelet gives their tokens. */
function ownerOf(pod: Pod): number | undefined {
  const users = membersOf(pod).map(({ container }) => userContextFor(pod, container).runAsUser);
  const [first] = users;
  return users.every((user) => user === first) ? first : undefined;
}

/** The volume in the words of a projected one. */
export function projectionsOf(volume: PodVolume): readonly VolumeProjection[] {
  const { configMap, secret, downwardAPI, projected } = volume;
  if (configMap !== undefined) return [{ configMap }];
  if (secret !== undefined) {
    const { secretName: name, ...rest } = secret;
    return [{ secret: name === undefined ? rest : { ...rest, name } }];
  }
  return downwardAPI === undefined ? (projected?.sources ?? []) : [{ downwardAPI }];
}

function missingIn({ configMap, secret }: VolumeProjection, sources: Objects) {
  if (configMap !== undefined && configMap.optional !== true) {
    const { name = "" } = configMap;
    const content = contentOfMap(sources.configMaps.get(name));
    const key = missingKey(configMap, content);
    if (content === undefined) return `configmap "${name}" not found`;
    return key === undefined ? undefined : `configmap references non-existent config key: ${key}`;
  }
  if (secret !== undefined && secret.optional !== true) {
    const { name = "" } = secret;
    const content = sources.secrets.get(name)?.data;
    const key = missingKey(secret, content);
    if (content === undefined) return `secret "${name}" not found`;
    return key === undefined ? undefined : `references non-existent secret key: ${key}`;
  }
  return undefined;
}

/** Base64 by key. */
type Content = SecretView["data"];

function missingKey({ items = [] }: ConfigMapProjection, content: Content | undefined) {
  return items.find(({ key }) => content?.has(key) !== true)?.key;
}

function keyFiles(
  { items = [] }: ConfigMapProjection,
  content: Content = new Map(),
  defaultMode: number,
): readonly VolumeFile[] {
  const wanted: readonly KeyToPath[] =
    items.length > 0 ? items : [...content.keys()].map((key) => ({ key, path: key }));
  return wanted.flatMap(({ key, path, mode = defaultMode }) => {
    const base64 = content.get(key);
    return base64 === undefined ? [] : [{ path, mode, content: base64 }];
  });
}

function contentOfMap(view: ConfigMapView | undefined): Content | undefined {
  if (view === undefined) return undefined;
  const texts = [...view.data].map(([key, text]) => [key, base64Of(text)] as const);
  return new Map([...texts, ...view.binaryData]);
}

function downwardFiles(
  pod: Pod,
  { items = [] }: DownwardProjection,
  at: Surroundings,
  defaultMode: number,
): readonly VolumeFile[] {
  return items.map(({ path, mode = defaultMode, fieldRef, resourceFieldRef }) => {
    const text =
      resourceFieldRef === undefined
        ? fieldValueFor(pod, fieldRef?.fieldPath ?? "", at)
        : resourceValueFor(pod, undefined, resourceFieldRef, at.allocatable);
    return textFile(path, text ?? "", mode);
  });
}

function tokenKey(volume: string, token: ServiceAccountToken): string {
  return `${volume}/${token.path}`;
}

function textFile(path: string, text: string, mode: number): VolumeFile {
  return { path, mode, content: base64Of(text) };
}

function base64Of(text: string): string {
  return new TextEncoder().encode(text).toBase64();
}
