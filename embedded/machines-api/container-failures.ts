/** Tries that led to no running container, in the kubelet's words. Nothing here waits or acts. */
import { KUBELET_BACK_OFF, longer } from "./back-off.ts";
import type { Conducts } from "./conduct.ts";
import { normal, told, warning } from "./container-events.ts";
import { containerExited, FAILURE_SHOWN_MS, showingFirst } from "./container-life.ts";
import {
  type ContainerEnd,
  type ContainerRecord,
  containerOf,
  lastStateOf,
  type MachineRecord,
  withContainer,
} from "./record.ts";

/** Why an image or a start did not work, in the kubelet's words. */
export interface ContainerFailure {
  /** `ErrImagePull`, `InvalidImageName`, `CreateContainerError` … */
  readonly reason: string;
  readonly message: string;
  /** The image it is about; absent: the container's own. */
  readonly image?: string;
  /** False: nothing but another configuration can help. */
  readonly isWorthRetrying: boolean;
}

/** A try that did not lead to a process: the container waits, longer each time, and says why. */
export function containerFailed(
  record: MachineRecord,
  name: string,
  failure: ContainerFailure,
  nowMs: number,
): MachineRecord {
  const container = containerOf(record, name);
  if (container === undefined) return record;
  const { reason, message, image = container.image } = failure;
  const { next: _next, ...rest } = container;
  const lastState = lastStateOf(container);
  const backOffMs = longer(KUBELET_BACK_OFF, container.failBackOffMs);
  const waiting: ContainerRecord = {
    ...rest,
    ...(lastState === undefined ? {} : { lastState }),
    phase: failure.isWorthRetrying ? "pending" : "refused",
    unreleased:
      container.phase === "starting"
        ? [...container.unreleased, container.attempt]
        : container.unreleased,
    shown: { waiting: { reason, message } },
    failBackOffMs: backOffMs,
    notBeforeMs: nowMs + backOffMs,
    ...(reason === "ErrImagePull" ? { next: backOffOf(image, message, nowMs) } : {}),
  };
  return eventsOf(failure, image).reduce(
    (known, event) => told(known, name, event, nowMs),
    withContainer(record, waiting),
  );
}

/** The kubelet tells of an image what is the matter and then the reason; of all else what is the matter. */
function eventsOf({ reason, message }: ContainerFailure, image: string) {
  const what = {
    ErrImagePull: warning("Failed", `Failed to pull image "${image}": ${message}`),
    ErrImageNeverPull: warning("ErrImageNeverPull", message),
    InvalidImageName: warning("InspectFailed", message),
  }[reason];
  if (what === undefined) return [warning("Failed", `Error: ${message}`)];
  return [what, warning("Failed", `Error: ${reason}`)];
}

/** Its bundle says why it is not to be started; another bundle may say something else. */
export function containerRefused(
  record: MachineRecord,
  name: string,
  conducts: Conducts,
  nowMs: number,
): MachineRecord {
  const container = containerOf(record, name);
  const refused = conducts.get(name)?.refused;
  if (container?.phase !== "pending" || refused === undefined) return record;
  const lastState = lastStateOf(container);
  const waiting = withContainer(record, {
    ...container,
    ...(lastState === undefined ? {} : { lastState }),
    shown: { waiting: refused },
  });
  return told(waiting, name, warning("Failed", `Error: ${refused.message}`), nowMs);
}

function backOffOf(
  image: string,
  message: string,
  nowMs: number,
): NonNullable<ContainerRecord["next"]> {
  return {
    atMs: nowMs + FAILURE_SHOWN_MS,
    reason: "ImagePullBackOff",
    image,
    message: `Back-off pulling image "${image}": ErrImagePull: ${message}`,
  };
}

/** Shows what a waiting container shows next: the back-off after its failure. */
export function containerBacksOff(
  record: MachineRecord,
  name: string,
  nowMs: number,
): MachineRecord {
  const container = containerOf(record, name);
  if (container?.next === undefined) return record;
  const { next, ...rest } = container;
  const shown = { waiting: { reason: next.reason, message: next.message } };
  const changed = withContainer(record, { ...rest, shown });
  if (next.reason !== "ImagePullBackOff") return changed;
  const { image = container.image } = next;
  const backOff = normal("BackOff", `Back-off pulling image "${image}"`);
  const failed = warning("Failed", `Error: ${next.reason}`);
  return told(told(changed, name, backOff, nowMs), name, failed, nowMs);
}

/** The runtime would not start it: to Kubernetes a container that ended at once with 128. */
export function containerNotRunnable(
  record: MachineRecord,
  name: string,
  message: string,
  nowMs: number,
): MachineRecord {
  const end: ContainerEnd = { exitCode: 128, oomKilled: false, atMs: nowMs };
  const failed = told(record, name, warning("Failed", `Error: ${message}`), nowMs);
  const ended = containerExited(failed, name, { ...end, reason: "StartError", message });
  if (containerOf(ended, name)?.shown.waiting === undefined) return ended;
  return showingFirst(ended, name, "RunContainerError", message, nowMs);
}
