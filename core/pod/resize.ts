import type { GuestConfig, Machine } from "../fly/machine.ts";
import type {
  ContainerBundle,
  ContainerReport,
  ContainerResources,
} from "../fly/machine-protocol.ts";
import type { Container, ContainerStatus, Pod } from "../kube/pod.ts";
import { millisOf, wholeOf } from "../kube/quantity.ts";
import { isSame } from "../kube/same.ts";
import { statusesOf } from "./container-roles.ts";
import { wishFor } from "./guest.ts";

const SHARES_MIN = 2;
const SHARES_MAX = 262_144;

const RESIZABLE = ["cpu", "memory"] as const;

/**
 * What is too little in a Machine of this size for the Pod as it is now, in the kubelet's words;
 * undefined when nothing is. A Machine keeps its size as long as it is there.
 */
export function lackFor(pod: Pod, guest: GuestConfig | undefined): string | undefined {
  if (guest === undefined) return undefined;
  const { cpuMillis, memoryMb } = wishFor(pod);
  const lacks = [
    memoryMb > guest.memory_mb
      ? `memory, requested: ${memoryMb} MB, capacity: ${guest.memory_mb} MB`
      : undefined,
    cpuMillis > guest.cpus * 1000
      ? `cpu, requested: ${cpuMillis}, capacity: ${guest.cpus * 1000}`
      : undefined,
  ];
  const lack = lacks.find((one) => one !== undefined);
  return lack === undefined ? undefined : `Machine didn't have enough capacity: ${lack}`;
}

/** The Pod as its Machine can run it: beyond its size the containers keep what they have. */
export function allocatedPod(pod: Pod, { config }: Pick<Machine, "config">): Pod {
  if (lackFor(pod, config?.guest) === undefined) return pod;
  const told = new Map(statusesOf(pod).map(({ name, resources }) => [name, resources]));
  const kept = (container: Container): Container => {
    const resources = told.get(container.name);
    return resources === undefined ? container : { ...container, resources };
  };
  const { initContainers, containers } = pod.spec;
  const early = initContainers === undefined ? {} : { initContainers: initContainers.map(kept) };
  return { ...pod, spec: { ...pod.spec, ...early, containers: containers.map(kept) } };
}

/** The container's hard limits, and its weight by what it requests, as a kubelet reckons it. */
export function limitsFor({ resources }: Container): ContainerResources {
  const { cpu, memory } = resources?.limits ?? {};
  const requested = millisOf(resources?.requests?.["cpu"] ?? cpu ?? "0");
  return {
    cpu_shares: Math.min(Math.max(Math.floor((requested * 1_024) / 1_000), SHARES_MIN), SHARES_MAX),
    ...(cpu === undefined ? {} : { cpu_millis: millisOf(cpu) }),
    ...(memory === undefined ? {} : { memory_bytes: wholeOf(memory) }),
  };
}

/** What of its resources the container must be started anew for. */
export function restartOnResizeFor({
  resizePolicy = [],
}: Container): Pick<ContainerBundle, "restartOnResize"> {
  const wanted = resizePolicy.filter(({ restartPolicy }) => restartPolicy === "RestartContainer");
  const names = RESIZABLE.filter((name) => wanted.some((one) => one.resourceName === name));
  return names.length === 0 ? {} : { restartOnResize: names };
}

/** True while a running container has other limits than it is to have. */
export function isResizing(container: Container, { state, resources }: ContainerReport): boolean {
  if (state.running === undefined || resources === undefined) return false;
  return !isSame(resources, limitsFor(container));
}

/** What the status says of resources: those the container has, known only while it runs. */
export function statusResourcesFor(
  container: Container,
  report: ContainerReport,
  old: ContainerStatus | undefined,
): Pick<ContainerStatus, "resources" | "allocatedResources"> {
  const isKnown = report.state.running !== undefined && report.resources !== undefined;
  const allocated = isKnown ? container.resources?.requests : old?.allocatedResources;
  const isOld = !isKnown || isResizing(container, report);
  const { limits, requests } = (isOld ? old?.resources : container.resources) ?? {};
  const resources = {
    ...(limits === undefined ? {} : { limits }),
    ...(requests === undefined ? {} : { requests }),
  };
  return {
    ...(allocated === undefined ? {} : { allocatedResources: allocated }),
    ...(limits === undefined && requests === undefined ? {} : { resources }),
  };
}
