import { expand } from "../kube/expansion.ts";
import { fieldValueFor } from "../kube/field-ref.ts";
import type { Container, EnvFromSource, EnvVar, KeyRef, Pod } from "../kube/pod.ts";
import { resourceValueFor } from "../kube/resource-field.ts";
import type { ServiceView } from "../ports/cluster.ts";
import { membersOf } from "./container-roles.ts";
import { serviceEnv } from "./service-env.ts";
import type { PodSources, Surroundings } from "./sources.ts";

export interface EnvEntry {
  readonly name: string;
  readonly value: string;
}

/** Where containers reach the API server; `host` is an address without brackets. */
export interface ApiServerAddress {
  readonly host: string;
  readonly port: number;
}

export interface EnvSources extends Surroundings, Omit<PodSources, "tokens"> {
  readonly apiServer: ApiServerAddress;
}

/** A ConfigMap or Secret some of whose keys can name no variable. */
export interface SkippedNames {
  /** `configMap default/settings`, `secret default/keys`. */
  readonly from: string;
  readonly names: readonly string[];
}

export type EnvResult =
  | {
      readonly ok: true;
      readonly env: readonly EnvEntry[];
      readonly skipped: readonly SkippedNames[];
    }
  /** Why the container cannot start, in the kubelet's words. No value stands in it. */
  | { readonly ok: false; readonly message: string };

/**
 * The container's variables, in order and expanded: those of Services first, then `envFrom`, then
 * `env` as written. A value sees only what stands before it; a name given again takes the new value.
 */
export function envFor(pod: Pod, container: Container, sources: EnvSources): EnvResult {
  const variables = new Map([...apiServerEnv(sources.apiServer), ...linksOf(pod, sources)]);
  const skipped: SkippedNames[] = [];
  for (const source of container.envFrom ?? []) {
    const found = entriesFrom(pod, source, sources);
    if (typeof found === "string") return { ok: false, message: found };
    const prefixed = found.entries.map(
      ([key, value]) => [`${source.prefix ?? ""}${key}`, value] as const,
    );
    for (const [name, value] of prefixed) if (isVariableName(name)) variables.set(name, value);
    const names = prefixed.map(([name]) => name).filter((name) => !isVariableName(name));
    if (names.length > 0) skipped.push({ from: found.from, names: names.toSorted() });
  }
  for (const variable of container.env ?? []) {
    const found = valueOf(pod, container, variable, sources, variables);
    if ("message" in found) return { ok: false, message: found.message };
    if (found.value !== undefined) variables.set(variable.name, found.value);
  }
  const env = [...variables].map(([name, value]) => ({ name, value }));
  return { ok: true, env, skipped };
}

/** Every ConfigMap and Secret of the Pod some of whose keys can name no variable. */
export function skippedNamesFor(pod: Pod, sources: EnvSources): readonly SkippedNames[] {
  return membersOf(pod)
    .filter(({ container: { envFrom = [] } }) => envFrom.length > 0)
    .flatMap(({ container }) => {
      const result = envFor(pod, container, sources);
      return result.ok ? result.skipped : [];
    });
}

/** What a kubelet takes for a variable's name: printable ASCII without `=`. */
function isVariableName(name: string): boolean {
  return /^[ -<>-~]+$/.test(name);
}

/** The API server is where we say it is, whatever the address of its Service. */
function linksOf({ metadata, spec }: Pod, { services }: EnvSources) {
  if (spec.enableServiceLinks === false) return [];
  const isApiServer = ({ name }: ServiceView): boolean =>
    metadata.namespace === "default" && name === "kubernetes";
  return serviceEnv(services.filter((one) => !isApiServer(one)));
}

interface Found {
  readonly from: string;
  readonly entries: readonly (readonly [key: string, value: string])[];
}

/** Everything in one ConfigMap or Secret, or what is not there. */
function entriesFrom(
  pod: Pod,
  { configMapRef, secretRef }: EnvFromSource,
  { configMaps, secrets }: EnvSources,
): Found | string {
  const { namespace } = pod.metadata;
  if (configMapRef !== undefined) {
    const { name, optional = false } = configMapRef;
    const view = configMaps.get(name);
    if (view === undefined && !optional) return `configmap "${name}" not found`;
    return { from: `configMap ${namespace}/${name}`, entries: [...(view?.data ?? [])] };
  }
  const { name = "", optional = false } = secretRef ?? {};
  const view = secrets.get(name);
  if (view === undefined && !optional) return `secret "${name}" not found`;
  const entries = [...(view?.data ?? [])].map(([key, value]) => [key, textIn(value)] as const);
  return { from: `secret ${namespace}/${name}`, entries };
}

/** An undefined value: an optional one that is not there, and no variable. */
type Value = { readonly value: string | undefined } | { readonly message: string };

function valueOf(
  pod: Pod,
  container: Container,
  { value = "", valueFrom }: EnvVar,
  sources: EnvSources,
  variables: ReadonlyMap<string, string>,
): Value {
  if (value !== "" || valueFrom === undefined) return { value: expand(value, variables) };
  const { fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef } = valueFrom;
  if (fieldRef !== undefined) {
    const { fieldPath } = fieldRef;
    const text = fieldValueFor(pod, fieldPath, sources);
    return text === undefined
      ? { message: `unsupported fieldPath: ${fieldPath}` }
      : { value: text };
  }
  if (resourceFieldRef !== undefined) {
    const text = resourceValueFor(pod, container, resourceFieldRef, sources.allocatable);
    const { resource } = resourceFieldRef;
    return text === undefined
      ? { message: `unsupported container resource : ${resource}` }
      : { value: text };
  }
  if (configMapKeyRef !== undefined) {
    const view = sources.configMaps.get(configMapKeyRef.name);
    return keyIn(
      pod,
      configMapKeyRef,
      "ConfigMap",
      view && { text: view.data.get(configMapKeyRef.key) },
    );
  }
  if (secretKeyRef !== undefined) {
    const content = sources.secrets.get(secretKeyRef.name)?.data;
    const base64 = content?.get(secretKeyRef.key);
    const text = base64 === undefined ? undefined : textIn(base64);
    return keyIn(pod, secretKeyRef, "Secret", content && { text });
  }
  return { value: "" };
}

function keyIn(
  { metadata }: Pod,
  { name, key, optional = false }: KeyRef,
  kind: "ConfigMap" | "Secret",
  view: { readonly text: string | undefined } | undefined,
): Value {
  if (view?.text !== undefined || optional) return { value: view?.text };
  return view === undefined
    ? { message: `${kind.toLowerCase()} "${name}" not found` }
    : { message: `couldn't find key ${key} in ${kind} ${metadata.namespace}/${name}` };
}

function textIn(base64: string): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(Uint8Array.fromBase64(base64));
}

/** The variables of the Service `kubernetes`, which every container gets. */
export function apiServerEnv({
  host,
  port,
}: ApiServerAddress): readonly (readonly [string, string])[] {
  const ports = [{ name: "https", port, protocol: "TCP" }] as const;
  return serviceEnv([{ name: "kubernetes", clusterIP: host, ports }]);
}
