import type { ContainerBundle } from "../fly/machine-protocol.ts";
import type { Container, Pod } from "../kube/pod.ts";
import { wholeOf } from "../kube/quantity.ts";
import type { Allocatable } from "../kube/resource-field.ts";
import { membersOf } from "./container-roles.ts";
import { mostOf } from "./guest.ts";

/** As the kubelet has them: the last to be killed when the host has no memory left, and the first. */
const GUARANTEED = -997;
const BEST_EFFORT = 1_000;

const NODE_CRITICAL = "system-node-critical";

/**
 * Which of the host's processes go first when its memory is used up, as a kubelet reckons it: by the
 * class the API server gave the Pod, and for `Burstable` the more the less a container requests.
 * Source: Kubernetes docs, "Node-pressure Eviction", "Node out of memory behavior".
 */
export function oomScoreFor(
  pod: Pod,
  container: Container,
  { memory = "0" }: Allocatable,
): Pick<ContainerBundle, "oomScoreAdj"> {
  const { qosClass } = pod.status ?? {};
  if (pod.spec.priorityClassName === NODE_CRITICAL || qosClass === "Guaranteed") {
    return { oomScoreAdj: GUARANTEED };
  }
  if (qosClass === "BestEffort") return { oomScoreAdj: BEST_EFFORT };
  const capacity = wholeOf(memory);
  if (qosClass !== "Burstable" || capacity === 0) return {};
  return { oomScoreAdj: burstable(pod, container, capacity) };
}

function burstable(pod: Pod, container: Container, capacity: number): number {
  const rest = restOf(pod);
  const scoreOf = (bytes: number): number =>
    1_000 - Math.trunc((1_000 * (bytes + rest)) / capacity);
  const members = membersOf(pod);
  const isSidecar = members.some((one) => one.container === container && one.role === "sidecar");
  const mains = members.filter(({ role }) => role === "main");
  const least = Math.min(...mains.map((main) => requestOf(main.container)));
  // A sidecar is no sooner killed than those it serves.
  const score = Math.min(scoreOf(requestOf(container)), isSidecar ? scoreOf(least) : BEST_EFFORT);
  return Math.min(Math.max(score, 1_000 + GUARANTEED), BEST_EFFORT - 1);
}

/** Each container's part of what the Pod requests beyond its containers. */
function restOf(pod: Pod): number {
  const together = wholeOf(pod.spec.resources?.requests?.["memory"] ?? "0");
  if (together === 0) return 0;
  const members = membersOf(pod);
  const rest = together - mostOf(pod, (member) => requestOf(member.container));
  return Math.trunc(rest / members.length);
}

function requestOf({ resources }: Container): number {
  return wholeOf(resources?.requests?.["memory"] ?? "0");
}
