import { requestOf } from "../eviction/requests.ts";
import type { Pod } from "../kube/pod.ts";
import { millisOf, wholeOf } from "../kube/quantity.ts";
import { membersOf } from "../pod/container-roles.ts";
import type { Rejection } from "../pod/security.ts";

/** Of these every Pod is asked, in the kubelet's order; `pods` comes before them. */
const FIRST = ["cpu", "memory", "ephemeral-storage"];

/** Something the Node has too little of, in thousandths for CPU and whole units for the rest. */
interface Lack {
  readonly resource: string;
  readonly requested: number;
  readonly used: number;
  readonly capacity: number;
}

/** Why the Node has no room for the Pod beside `others`, the first thing that is short. Pure. */
export function roomRejectionFor(
  pod: Pod,
  others: readonly Pod[],
  allocatable: Readonly<Record<string, string>>,
): Rejection | undefined {
  const lack = lackFor(pod, others, allocatable);
  if (lack === undefined) return undefined;
  const { resource, requested, used, capacity } = lack;
  return {
    reason: `OutOf${resource}`,
    message: `Node didn't have enough resource: ${resource}, requested: ${requested}, used: ${used}, capacity: ${capacity}`,
  };
}

function lackFor(
  pod: Pod,
  others: readonly Pod[],
  allocatable: Readonly<Record<string, string>>,
): Lack | undefined {
  const places = wholeOf(allocatable["pods"] ?? "0");
  if (others.length + 1 > places) {
    return { resource: "pods", requested: 1, used: others.length, capacity: places };
  }
  for (const resource of resourcesOf(pod)) {
    const requested = amountOf(pod, resource);
    // An extended resource that the Node does not know is somebody else's to count.
    const isUnknown = resource.includes("/") && allocatable[resource] === undefined;
    if (requested === 0 || isUnknown) continue;
    const used = others.reduce((sum, other) => sum + amountOf(other, resource), 0);
    const capacity = readOf(resource)(allocatable[resource] ?? "0");
    if (requested > capacity - used) return { resource, requested, used, capacity };
  }
  return undefined;
}

function resourcesOf(pod: Pod): readonly string[] {
  const named = membersOf(pod).flatMap(({ container }) =>
    Object.keys(container.resources?.requests ?? {}),
  );
  return [...new Set([...FIRST, ...named])];
}

/** Asked of every Pod of the Node for every new one: what a Pod asks for is worked out once. */
const known = new WeakMap<Pod, Map<string, number>>();

function amountOf(pod: Pod, resource: string): number {
  const amounts = known.get(pod) ?? new Map<string, number>();
  known.set(pod, amounts);
  const amount = amounts.get(resource) ?? requestOf(pod, resource, readOf(resource));
  amounts.set(resource, amount);
  return amount;
}

function readOf(resource: string): (quantity: string) => number {
  return resource === "cpu" ? millisOf : wholeOf;
}
