import type { Container, Pod } from "../kube/pod.ts";
import { ephemeralOf, membersOf } from "./container-roles.ts";
import { projectionsOf } from "./volumes.ts";

/** Names of the ConfigMaps and Secrets that a Pod refers to anywhere, optional ones too. */
export interface NamedObjects {
  readonly configMaps: readonly string[];
  readonly secrets: readonly string[];
}

type Name = string | undefined;

export function objectsNamedBy(pod: Pod): NamedObjects {
  const containers = [...membersOf(pod), ...ephemeralOf(pod)].map(({ container }) => container);
  const projections = (pod.spec.volumes ?? []).flatMap(projectionsOf);
  return {
    configMaps: unique([
      ...containers.flatMap(configMapsOf),
      ...projections.map(({ configMap }) => configMap?.name),
    ]),
    secrets: unique([
      ...containers.flatMap(secretsOf),
      ...projections.map(({ secret }) => secret?.name),
      ...(pod.spec.imagePullSecrets ?? []).map(({ name }) => name),
    ]),
  };
}

function configMapsOf({ env = [], envFrom = [] }: Container): readonly Name[] {
  return [
    ...envFrom.map(({ configMapRef }) => configMapRef?.name),
    ...env.map(({ valueFrom }) => valueFrom?.configMapKeyRef?.name),
  ];
}

function secretsOf({ env = [], envFrom = [] }: Container): readonly Name[] {
  return [
    ...envFrom.map(({ secretRef }) => secretRef?.name),
    ...env.map(({ valueFrom }) => valueFrom?.secretKeyRef?.name),
  ];
}

function unique(names: readonly Name[]): readonly string[] {
  return [...new Set(names)].flatMap((name) => (name === undefined || name === "" ? [] : [name]));
}
