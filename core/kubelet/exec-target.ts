import type { ContainerState, MachineRef } from "../fly/machine-protocol.ts";
import type { Pod } from "../kube/pod.ts";
import type { ContainerAddress, PodAddress } from "./routes.ts";

const DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container";

/** What a ContainerStatus of a Pod and a ContainerReport of a Machine both tell. */
export interface ContainerView {
  readonly name: string;
  readonly containerID?: string;
  readonly state?: ContainerState;
  readonly lastState?: ContainerState;
}

/** An answer that is not a target: HTTP status and text, as the kubelet words it. */
export interface Miss {
  readonly ok: false;
  readonly status: 400 | 404;
  readonly message: string;
}

export interface ContainerTarget {
  readonly ok: true;
  readonly machine: MachineRef;
  readonly container: string;
}

/** The Pod that is meant, if it is here and still the same one. Pure. */
export function podFor(address: PodAddress, pod: Pod | undefined): { ok: true; pod: Pod } | Miss {
  if (pod === undefined) return missing(`pod "${address.pod}" does not exist`);
  if (address.uid !== undefined && address.uid !== pod.metadata.uid) {
    return missing(`pod "${address.pod}" not found`);
  }
  return { ok: true, pod };
}

/** The container that is meant: by name, by annotation, or the only one. Pure. */
export function containerFor(
  address: ContainerAddress,
  pod: Pod,
): { ok: true; container: string } | Miss {
  const { initContainers = [], containers, ephemeralContainers = [] } = pod.spec;
  const names = [...initContainers, ...containers, ...ephemeralContainers].map((c) => c.name);
  const [only, ...others] = containers.map((c) => c.name);
  const fallback =
    pod.metadata.annotations?.[DEFAULT_CONTAINER] ?? (others.length === 0 ? only : undefined);
  const container = address.container === "" ? fallback : address.container;

  if (container === undefined) {
    const choice = containers.map((c) => c.name).join(" ");
    return badRequest(
      `a container name must be specified for pod ${address.pod}, choose one of: [${choice}]`,
    );
  }
  if (!names.includes(container)) {
    return missing(`container "${container}" not found in pod "${address.pod}"`);
  }
  return { ok: true, container };
}

/** Whether a command can run in the container now. Pure. */
export function execMissFor(
  pod: string,
  container: string,
  views: readonly ContainerView[],
): Miss | undefined {
  const state = views.find((view) => view.name === container)?.state;
  if (state?.running !== undefined) return undefined;
  if (state?.terminated !== undefined) return missing(`container not found ("${container}")`);
  return waiting(pod, container, state);
}

/** Whether the container has output to show. Pure. */
export function logsMissFor(
  pod: string,
  container: string,
  views: readonly ContainerView[],
  previous: boolean,
): Miss | undefined {
  const view = views.find((candidate) => candidate.name === container);
  const hasRunBefore = hasRun(view?.lastState);

  if (previous) {
    return hasRunBefore
      ? undefined
      : badRequest(`previous terminated container "${container}" in pod "${pod}" not found`);
  }
  if (view === undefined) {
    return badRequest(`container "${container}" in pod "${pod}" is not available`);
  }
  if (view.state?.running !== undefined || hasRun(view.state) || hasRunBefore) return undefined;
  if (view.state?.terminated !== undefined) {
    return badRequest(`container "${container}" in pod "${pod}" is terminated`);
  }
  return waiting(pod, container, view.state);
}

/** A container that never started has no id and no output. */
function hasRun(state: ContainerState | undefined): boolean {
  return (state?.terminated?.containerID ?? "") !== "";
}

function waiting(pod: string, container: string, state: ContainerState | undefined): Miss {
  const reason = state?.waiting?.reason ?? "ContainerCreating";
  const words: Readonly<Record<string, string>> = {
    ErrImagePull: "image can't be pulled",
    ImagePullBackOff: "trying and failing to pull image",
  };
  const why = words[reason] ?? reason;
  return badRequest(`container "${container}" in pod "${pod}" is waiting to start: ${why}`);
}

function missing(message: string): Miss {
  return { ok: false, status: 404, message };
}

function badRequest(message: string): Miss {
  return { ok: false, status: 400, message };
}
