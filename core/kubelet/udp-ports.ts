import type { Pod } from "../kube/pod.ts";

/** Whether the Pod names this port for UDP alone: then nothing answers on it by TCP. Pure. */
export function isUdpOnly({ spec }: Pod, port: number): boolean {
  const named = spec.containers
    .flatMap(({ ports = [] }) => ports)
    .filter(({ containerPort }) => containerPort === port);
  return named.length > 0 && named.every(({ protocol }) => protocol === "UDP");
}
