import { FksError } from "#core/errors.ts";
import type { MachineRef } from "#core/fly/machine-protocol.ts";
import type { Pod } from "#core/kube/pod.ts";
import {
  type ContainerTarget,
  type ContainerView,
  containerFor,
  type Miss,
  podFor,
} from "#core/kubelet/exec-target.ts";
import { machineIdOf } from "#core/kubelet/kept-logs.ts";
import type { ContainerAddress, PodAddress } from "#core/kubelet/routes.ts";
import { statusesOf } from "#core/pod/container-roles.ts";
import type { KubeletApiDeps } from "./deps.ts";

type TargetDeps = Pick<KubeletApiDeps, "findPod" | "machineFor" | "protocol">;

type MissFor = (
  pod: string,
  container: string,
  views: readonly ContainerView[],
) => Miss | undefined;

/**
 * The container a request means, or why there is none. The Pod's status is believed when it says
 * yes; when it says no it may lag, and the Machine is asked.
 */
export async function containerTarget(
  deps: TargetDeps,
  node: string,
  address: ContainerAddress,
  missFor: MissFor,
  signal: AbortSignal,
): Promise<ContainerTarget | Miss> {
  const found = podFor(address, deps.findPod(node, address.namespace, address.pod));
  if (!found.ok) return found;
  const named = containerFor(address, found.pod);
  if (!named.ok) return named;

  const { pod } = found;
  const { container } = named;
  const machine = deps.machineFor(pod);
  const told = missFor(address.pod, container, statusesOf(pod));
  const gone: Miss = { ok: false, status: 404, message: `container not found ("${container}")` };
  if (machine === undefined) return told ?? gone;
  if (told === undefined) return { ok: true, machine, container };

  const views = await reported(deps, machine, signal);
  const miss = views === undefined ? told : missFor(address.pod, container, views);
  return miss ?? { ok: true, machine, container };
}

export type LogTarget =
  | ContainerTarget
  /** The Machine is gone; by this id its logs may have been kept. */
  | { readonly ok: true; readonly keptOf: string; readonly container: string };

/** As `containerTarget`, and also of a Pod whose Machine is gone. */
export async function logTarget(
  deps: TargetDeps,
  node: string,
  address: ContainerAddress,
  missFor: MissFor,
  signal: AbortSignal,
): Promise<LogTarget | Miss> {
  const target = await containerTarget(deps, node, address, missFor, signal);
  const pod = deps.findPod(node, address.namespace, address.pod);
  if (target.ok || pod === undefined || deps.machineFor(pod) !== undefined) return target;
  const named = containerFor(address, pod);
  const statuses = statusesOf(pod);
  if (!named.ok || missFor(address.pod, named.container, statuses) !== undefined) return target;
  const status = statuses.find(({ name }) => name === named.container);
  const keptOf = status && machineIdOf(status);
  return keptOf === undefined ? target : { ok: true, keptOf, container: named.container };
}

export function machineTarget(
  deps: TargetDeps,
  node: string,
  address: PodAddress,
): { ok: true; pod: Pod; machine: MachineRef } | Miss {
  const found = podFor(address, deps.findPod(node, address.namespace, address.pod));
  if (!found.ok) return found;
  const machine = deps.machineFor(found.pod);
  if (machine !== undefined) return { ok: true, pod: found.pod, machine };
  return { ok: false, status: 404, message: `pod not found ("${address.pod}")` };
}

async function reported(
  { protocol }: TargetDeps,
  machine: MachineRef,
  signal: AbortSignal,
): Promise<readonly ContainerView[] | undefined> {
  try {
    return (await protocol.report(machine, signal)).containers;
  } catch (error) {
    // Nothing better is known than what the Pod's status said.
    if (error instanceof FksError) return undefined;
    throw error;
  }
}
