import type { Allocatable } from "../kube/resource-field.ts";
import type { ConfigMapView, PodToken, SecretView, ServiceView } from "../ports/cluster.ts";

/** What the API server said about what a Pod refers to. One that does not exist is missing. */
export interface PodSources {
  /** By name. */
  readonly configMaps: Pick<ReadonlyMap<string, ConfigMapView>, "get">;
  /** By name. */
  readonly secrets: Pick<ReadonlyMap<string, SecretView>, "get">;
  /** Of the Pod's namespace. */
  readonly services: readonly ServiceView[];
  /** By `TokenWish.key`. */
  readonly tokens: Pick<ReadonlyMap<string, PodToken>, "get">;
}

/** What the Pod's Machine and Node have to say. */
export interface Surroundings {
  /** Unknown until the Machine exists. */
  readonly podIP: string;
  readonly hostIP: string;
  readonly allocatable: Allocatable;
}
