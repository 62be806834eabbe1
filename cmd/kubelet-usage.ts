import type { MachineRef } from "#core/fly/machine-protocol.ts";
import type { Pod } from "#core/kube/pod.ts";
import type { PodController } from "#core/pod/pod-controller.ts";
import type { MachineProtocol } from "#core/ports/machine-protocol.ts";
import type { Pods } from "#core/ports/pods.ts";
import { type UsageSampler, usageSampler } from "#core/usage/sampler.ts";
import type { Place } from "./kubelet-nodes.ts";
import type { Role } from "./role.ts";

interface UsageParts {
  readonly role: Role;
  readonly places: readonly Place[];
  readonly pods: Pods;
  readonly controller: PodController;
  readonly protocol: MachineProtocol;
}

/** What our Nodes and their Pods use, for everybody who asks. */
export function kubeletUsage(
  { role, places, pods, controller, protocol }: UsageParts,
  signal: AbortSignal,
): UsageSampler {
  const { clock, log } = role;
  return usageSampler(
    {
      read: (until) => protocol.usage(until),
      nodes: places.map(({ name }) => name),
      placed: () =>
        pods.keys().flatMap((key) => {
          const pod = pods.get(key);
          const machine = pod && machineOf(pod, controller);
          return pod && machine ? [{ pod, machine }] : [];
        }),
      clock,
      log,
    },
    signal,
  );
}

/** The Machine of a Pod, as it was last seen. */
export function machineOf({ metadata }: Pod, controller: PodController): MachineRef | undefined {
  const sighting = controller.machineOf(metadata.uid);
  return sighting && { app: sighting.app, id: sighting.machine.id };
}
