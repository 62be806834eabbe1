import type { Container, ContainerStatus, Pod } from "../kube/pod.ts";

/**
 * What a container is in its Pod: one that ends before others start, one that starts before others and
 * runs beside them, one of those the Pod is there for, or one that joined them while they ran.
 */
type Role = "init" | "sidecar" | "main" | "ephemeral";

export interface Member {
  readonly container: Container;
  readonly role: Role;
  /** Where the Pod tells of it: `spec.containers[0]`. */
  readonly field: string;
}

/** A container and what is told of it. */
export interface Told extends Member {
  readonly status: Pick<ContainerStatus, "name" | "state" | "lastState" | "started" | "ready">;
}

/** All containers of the Pod in the order of their start: init containers and sidecars as written. */
export function membersOf({ spec }: Pod): readonly Member[] {
  return [
    ...(spec.initContainers ?? []).map((container, index): Member => {
      const role = container.restartPolicy === "Always" ? "sidecar" : "init";
      return { container, role, field: `spec.initContainers[${index}]` };
    }),
    ...spec.containers.map((container, index): Member => {
      return { container, role: "main", field: `spec.containers[${index}]` };
    }),
  ];
}

/** The containers that were added while the others ran; nothing of the Pod depends on them. */
export function ephemeralOf({ spec }: Pod): readonly Member[] {
  return (spec.ephemeralContainers ?? []).map((container, index): Member => {
    return { container, role: "ephemeral", field: `spec.ephemeralContainers[${index}]` };
  });
}

export function hasInitContainers({ spec }: Pod): boolean {
  return (spec.initContainers ?? []).length > 0;
}

/** The statuses of all containers together. */
export function statusesOf({ status }: Pod): readonly ContainerStatus[] {
  return [
    ...(status?.initContainerStatuses ?? []),
    ...(status?.containerStatuses ?? []),
    ...(status?.ephemeralContainerStatuses ?? []),
  ];
}

/** The restart policy that holds for the container; an init container's success is its end. */
export function restartPolicyFor(
  { spec }: Pod,
  { container, role }: Member,
): "Always" | "OnFailure" | "Never" {
  if (role === "ephemeral") return "Never";
  const own = POLICIES.find((one) => one === container.restartPolicy);
  const policy = own ?? spec.restartPolicy ?? "Always";
  return role === "init" && policy === "Always" ? "OnFailure" : policy;
}

const POLICIES = ["Always", "OnFailure", "Never"] as const;

/** Whether a container that ended so is started again: the first rule that fits, else the policy. */
export function isRestartedAfter(pod: Pod, member: Member, exitCode: number): boolean {
  const rules = member.container.restartPolicyRules ?? [];
  const fits = rules.some(({ action, exitCodes: { operator, values = [] } = {} }) => {
    if (action !== "Restart" || operator === undefined) return false;
    return values.includes(exitCode) === (operator === "In");
  });
  if (fits) return true;
  const policy = restartPolicyFor(pod, member);
  return policy === "Always" || (policy === "OnFailure" && exitCode !== 0);
}

/** True when the container has ended and will never be started again. */
export function isFinal(
  pod: Pod,
  member: Member,
  { state }: Pick<Told["status"], "state">,
): boolean {
  const ended = state?.terminated;
  return ended !== undefined && !isRestartedAfter(pod, member, ended.exitCode);
}

/** True when an init container failed for good, so that nothing after it ever starts. */
export function hasFailedForGood(pod: Pod, one: Told): boolean {
  const exitCode = one.status.state?.terminated?.exitCode ?? 0;
  return one.role === "init" && exitCode !== 0 && isFinal(pod, one, one.status);
}

/**
 * True when nothing is left to do: an init container failed for good, or all main containers told of
 * have ended for good. Sidecars never keep a Pod going.
 */
export function isOver(pod: Pod, statuses: readonly Told["status"][]): boolean {
  const told = membersOf(pod).flatMap((member): readonly Told[] => {
    const status = statuses.find(({ name }) => name === member.container.name);
    return status === undefined ? [] : [{ ...member, status }];
  });
  if (told.some((one) => hasFailedForGood(pod, one))) return true;
  return told.filter(({ role }) => role === "main").every((one) => isFinal(pod, one, one.status));
}
