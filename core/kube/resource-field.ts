import type { Container, Pod, ResourceFieldRef } from "./pod.ts";
import { nanosOf } from "./quantity.ts";

/** What a Node has to give: resource name → quantity. */
export type Allocatable = Readonly<Record<string, string>>;

/**
 * The number a `resourceFieldRef` stands for, divided and rounded up. A limit that is not set is
 * what the Node has. Undefined when there is no such container or resource.
 * Source: Kubernetes docs, "Downward API".
 */
export function resourceValueFor(
  pod: Pod,
  container: Container | undefined,
  ref: ResourceFieldRef,
  allocatable: Allocatable,
): string | undefined {
  const { containerName = "", divisor } = ref;
  const meant = containerName === "" ? container : containerNamed(pod, containerName);
  const [, kind, name = ""] = /^(limits|requests)\.(.+)$/.exec(ref.resource) ?? [];
  if (meant === undefined || !isResource(name)) return undefined;

  const set = nanosOf((kind === "limits" ? limits(meant) : requests(meant))[name] ?? "0");
  const value = kind === "limits" && set === 0n ? nanosOf(allocatable[name] ?? "0") : set;
  const asked = nanosOf(divisor ?? "1");
  const unit = asked === 0n ? nanosOf("1") : asked;
  return String(ceilDiv(value, unit));
}

function containerNamed({ spec }: Pod, wanted: string): Container | undefined {
  const { initContainers = [], containers } = spec;
  return [...initContainers, ...containers].find(({ name }) => name === wanted);
}

function isResource(name: string): boolean {
  return ["cpu", "memory", "ephemeral-storage"].includes(name) || name.startsWith("hugepages-");
}

function limits({ resources }: Container): Readonly<Record<string, string>> {
  return resources?.limits ?? {};
}

function requests({ resources }: Container): Readonly<Record<string, string>> {
  return resources?.requests ?? {};
}

function ceilDiv(value: bigint, divisor: bigint): bigint {
  const quotient = value / divisor;
  return value > 0n && value % divisor !== 0n ? quotient + 1n : quotient;
}
