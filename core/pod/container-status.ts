import type { ContainerReport, ContainerState } from "../fly/machine-protocol.ts";
import type { Container, ContainerStatus, Pod } from "../kube/pod.ts";
import { timeOf, wholeSeconds } from "../kube/time.ts";

/** What is known of one container beside its spec. */
export interface ContainerSources {
  readonly report?: ContainerReport;
  /** How often it had started before this Machine. */
  readonly startsBefore: number;
  /** Its Machine is proven gone. */
  readonly isLost: boolean;
  /** It will not be started again. */
  readonly isEnding: boolean;
  readonly nowMs: number;
}

const LOST_MESSAGE = "The container could not be located: its Machine is gone";
const KILLED = 137;

/** The container's status, as a kubelet words it. What has ended for good stays ended. */
export function containerStatusFor(
  pod: Pod,
  container: Container,
  sources: ContainerSources,
): ContainerStatus {
  const old = pod.status?.containerStatuses?.find(({ name }) => name === container.name);
  const next = sources.report === undefined ? withoutReport(container, old, sources) : reported();
  return old !== undefined && isFinal(pod, old) && next.state?.terminated === undefined
    ? old
    : next;

  function reported(): ContainerStatus {
    const { report, startsBefore } = sources;
    if (report === undefined) return created(container);
    const lastState = report.lastState ?? old?.lastState;
    const { containerID } = report;
    return {
      name: container.name,
      image: report.image === "" ? container.image : report.image,
      imageID: report.imageID,
      ...(containerID === "" ? {} : { containerID }),
      ready: report.ready,
      started: report.started,
      restartCount: Math.max(startsBefore + report.restartCount, old?.restartCount ?? 0),
      state: inSeconds(report.state),
      ...(lastState === undefined ? {} : { lastState: inSeconds(lastState) }),
    };
  }
}

/** No container, and a reason why there is none yet. */
export function waitingStatus(
  container: Container,
  reason: string,
  message?: string,
): ContainerStatus {
  return {
    name: container.name,
    image: container.image,
    imageID: "",
    ready: false,
    started: false,
    restartCount: 0,
    state: { waiting: message === undefined ? { reason } : { reason, message } },
  };
}

/** True when the restart policy lets it never run again. */
export function isFinal({ spec }: Pod, { state }: ContainerStatus): boolean {
  const ended = state?.terminated;
  if (ended === undefined) return false;
  const { restartPolicy = "Always" } = spec;
  return restartPolicy === "Never" || (restartPolicy === "OnFailure" && ended.exitCode === 0);
}

function created(container: Container): ContainerStatus {
  return waitingStatus(container, "ContainerCreating");
}

function withoutReport(
  container: Container,
  old: ContainerStatus | undefined,
  { isLost, isEnding, nowMs }: ContainerSources,
): ContainerStatus {
  if (old === undefined) return created(container);
  if (!isLost || old.state?.running === undefined) return old;

  const terminated = {
    exitCode: KILLED,
    reason: "ContainerStatusUnknown",
    message: LOST_MESSAGE,
    startedAt: old.state.running.startedAt,
    finishedAt: timeOf(nowMs),
    containerID: old.containerID ?? "",
  };
  const status = { ...old, ready: false, started: false };
  return isEnding
    ? { ...status, state: { terminated } }
    : { ...status, state: { waiting: { reason: "ContainerCreating" } }, lastState: { terminated } };
}

/** The API server keeps whole seconds; anything finer would look like a change for ever. */
function inSeconds({ waiting, running, terminated }: ContainerState): ContainerState {
  if (running !== undefined) return { running: { startedAt: wholeSeconds(running.startedAt) } };
  if (terminated === undefined) return waiting === undefined ? {} : { waiting };
  const startedAt = wholeSeconds(terminated.startedAt);
  const finishedAt = wholeSeconds(terminated.finishedAt);
  return { terminated: { ...terminated, startedAt, finishedAt } };
}
