import { expand } from "../kube/expansion.ts";
import { type Addresses, fieldValueFor } from "../kube/field-ref.ts";
import type { Container, Pod } from "../kube/pod.ts";

export interface EnvEntry {
  readonly name: string;
  readonly value: string;
}

/** Where containers reach the API server; `host` is an address without brackets. */
export interface ApiServerAddress {
  readonly host: string;
  readonly port: number;
}

export interface EnvSources extends Addresses {
  readonly apiServer: ApiServerAddress;
}

/**
 * The container's variables, in order and expanded: the API server's first, then `env` as written.
 * A value sees only what stands before it; a name given again takes the new value.
 */
export function envFor(pod: Pod, container: Container, sources: EnvSources): readonly EnvEntry[] {
  const variables = new Map(apiServerEnv(sources.apiServer));
  for (const { name, value, valueFrom } of container.env ?? []) {
    const fieldPath = valueFrom?.fieldRef?.fieldPath;
    if (fieldPath === undefined) variables.set(name, expand(value ?? "", variables));
    else variables.set(name, fieldValueFor(pod, fieldPath, sources) ?? "");
  }
  return [...variables].map(([name, value]) => ({ name, value }));
}

/** The variables of the Service `kubernetes`, which every container gets. */
export function apiServerEnv(at: ApiServerAddress): readonly (readonly [string, string])[] {
  const port = String(at.port);
  const url = `tcp://${at.host.includes(":") ? `[${at.host}]` : at.host}:${port}`;
  return [
    ["KUBERNETES_SERVICE_HOST", at.host],
    ["KUBERNETES_SERVICE_PORT", port],
    ["KUBERNETES_SERVICE_PORT_HTTPS", port],
    ["KUBERNETES_PORT", url],
    [`KUBERNETES_PORT_${port}_TCP`, url],
    [`KUBERNETES_PORT_${port}_TCP_PROTO`, "tcp"],
    [`KUBERNETES_PORT_${port}_TCP_PORT`, port],
    [`KUBERNETES_PORT_${port}_TCP_ADDR`, at.host],
  ];
}
