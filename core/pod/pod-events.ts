import { sha256Hex } from "../app/sha256.ts";
import type { ContainerEvent } from "../fly/machine-protocol.ts";
import type { Pod } from "../kube/pod.ts";
import { timeOf } from "../kube/time.ts";
import type { PodEvent } from "../ports/pods.ts";
import type { SkippedNames } from "./env.ts";
import type { Finding } from "./fields/check.ts";
import { refusalMessage } from "./pod-status.ts";

/** The Event about everything a Pod asks for that no Machine can give. */
export function refusedEvent(refused: readonly Finding[], nowMs: number): PodEvent {
  const message = `No Machine can run this Pod. ${refusalMessage(refused)}`;
  return event("refused", "Warning", "FieldsRefused", message, nowMs);
}

/** The Event about what the Machine does differently; undefined when there is nothing to tell. */
export function approximatedEvent(
  approximated: readonly Finding[],
  nowMs: number,
): PodEvent | undefined {
  if (approximated.length === 0) return undefined;
  const isOnlySize = approximated.every(({ field }) => field.endsWith(".resources"));
  const type = isOnlySize ? "Normal" : "Warning";
  return event("approximated", type, "FieldsApproximated", refusalMessage(approximated), nowMs);
}

/** Another Machine takes the place of one that ran. */
export function sandboxChangedEvent(machineId: string, nowMs: number): PodEvent {
  const message = "Pod sandbox changed, it will be killed and re-created.";
  const told = event("sandbox", "Normal", "SandboxChanged", message, nowMs);
  return { ...told, id: `${machineId}-sandbox` };
}

export function launchFailedEvent(message: string, nowMs: number): PodEvent {
  const text = `Failed to create pod sandbox: ${message}`;
  return event("launch", "Warning", "FailedCreatePodSandBox", text, nowMs);
}

/** Another Machine has a volume that this Pod's is to have. */
export function volumeHeldEvent(volumes: readonly string[], why: string, nowMs: number): PodEvent {
  const names = volumes.map((name) => `"${name}"`).join(", ");
  const message = `Multi-Attach error for volume ${names} Volume is already used by another Machine: ${why}`;
  return event("held", "Warning", "FailedAttachVolume", message, nowMs);
}

export function mountFailedEvent(message: string, nowMs: number): PodEvent {
  return event("mount", "Warning", "FailedMount", message, nowMs);
}

/** The Event about the end of a whole Pod; its status tells the same. */
export function failedEvent(reason: string, message: string, nowMs: number): PodEvent {
  // A kubelet's deadline is a Normal one.
  const type = reason === "DeadlineExceeded" ? "Normal" : "Warning";
  return event("failed", type, reason, message, nowMs);
}

export function imageChangedEvent(containers: readonly string[], nowMs: number): PodEvent {
  const message = `The image of [${containers.join(" ")}] changed; a running Machine keeps its own.`;
  return event("image", "Warning", "ImageChangeNotCarried", message, nowMs);
}

export function resizeInfeasibleEvent(lack: string, nowMs: number): PodEvent {
  return event("resize", "Warning", "ResizeInfeasible", `Pod resize Infeasible: ${lack}`, nowMs);
}

export function ephemeralEvent(containers: readonly string[], nowMs: number): PodEvent {
  const message = `A running Machine takes no further containers: [${containers.join(" ")}] do not run.`;
  return event("ephemeral", "Warning", "EphemeralContainersNotCarried", message, nowMs);
}

export function addFailedEvent(container: string, message: string, nowMs: number): PodEvent {
  return event("add", "Warning", "Failed", `Error: ${container}: ${message}`, nowMs);
}

export function invalidNamesEvent({ from, names }: SkippedNames, nowMs: number): PodEvent {
  const message = `Keys [${names.join(", ")}] from the EnvFrom ${from} were skipped since they are considered invalid environment variable names.`;
  return event("names", "Warning", "InvalidEnvironmentVariableNames", message, nowMs);
}

export function pullSecretsEvent(names: readonly string[], nowMs: number): PodEvent {
  const message = `Unable to retrieve some image pull secrets (${names.join(", ")}); attempting to pull the image may not succeed.`;
  return event("pull-secrets", "Warning", "FailedToRetrieveImagePullSecret", message, nowMs);
}

/** What happened to a container, as the Machine told it; the id is the same whoever tells it. */
export function containerEvent(pod: Pod, machineId: string, told: ContainerEvent): PodEvent {
  const { seq, type, reason, message, at, container } = told;
  const fieldPath = `spec.${listOf(pod, container)}{${container}}`;
  return { id: `${machineId}-${seq}`, type, reason, message, fieldPath, at };
}

function listOf({ spec }: Pod, container: string): string {
  const isIn = (list: readonly { readonly name: string }[] = []): boolean =>
    list.some(({ name }) => name === container);
  if (isIn(spec.initContainers)) return "initContainers";
  return isIn(spec.ephemeralContainers) ? "ephemeralContainers" : "containers";
}

function event(
  kind: string,
  type: PodEvent["type"],
  reason: string,
  message: string,
  nowMs: number,
): PodEvent {
  const id = `${kind}-${sha256Hex(message).slice(0, 8)}`;
  return { id, type, reason, message, at: timeOf(nowMs) };
}
