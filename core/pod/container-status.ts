import type { ContainerReport, ContainerState } from "../fly/machine-protocol.ts";
import type { Container, ContainerStatus, Pod } from "../kube/pod.ts";
import { timeOf, wholeSeconds } from "../kube/time.ts";
import {
  ephemeralOf,
  hasInitContainers,
  isFinal,
  isRestartedAfter,
  type Member,
  membersOf,
  statusesOf,
} from "./container-roles.ts";
import { statusResourcesFor } from "./resize.ts";

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
/** Of a Pod's last words together, as a kubelet shares it out. */
const MESSAGES_MAX_BYTES = 12_288;

/** The container's status, as a kubelet words it. What has ended for good stays ended. */
export function containerStatusFor(
  pod: Pod,
  member: Member,
  sources: ContainerSources,
): ContainerStatus {
  const { container, role } = member;
  const old = statusesOf(pod).find(({ name }) => name === container.name);
  const { report } = sources;
  if (report === undefined) return withoutReport(pod, member, old, sources);

  const next = reported(pod, member, report, old, sources.startsBefore);
  // Init containers run again in another Machine; for the others an end is an end.
  const isKept = role === "main" && old !== undefined && isFinal(pod, member, old);
  return isKept && next.state?.terminated === undefined ? old : next;
}

function reported(
  pod: Pod,
  { container, role }: Member,
  report: ContainerReport,
  old: ContainerStatus | undefined,
  startsBefore: number,
): ContainerStatus {
  const lastState = report.lastState ?? old?.lastState;
  const { containerID, state } = report;
  const hasSucceeded = state.terminated?.exitCode === 0;
  return {
    name: container.name,
    image: report.image === "" ? container.image : report.image,
    imageID: report.imageID,
    ...(containerID === "" ? {} : { containerID }),
    ready: role === "init" ? hasSucceeded : role !== "ephemeral" && report.ready,
    started: report.started,
    restartCount: Math.max(startsBefore + report.restartCount, old?.restartCount ?? 0),
    state: isBeforeStart(state) ? (created(pod, container).state ?? {}) : kept(pod, state),
    ...(lastState === undefined ? {} : { lastState: kept(pod, lastState) }),
    ...statusResourcesFor(container, report, old),
    ...userOf(report),
  };
}

/** A kubelet calls the time before a start by what the Pod has, not by what this container waits for. */
function isBeforeStart({ waiting }: ContainerState): boolean {
  return (
    waiting?.message === undefined &&
    (waiting?.reason === "ContainerCreating" || waiting?.reason === "PodInitializing")
  );
}

function userOf({ user }: ContainerReport): Pick<ContainerStatus, "user"> {
  if (user === undefined) return {};
  const { uid, gid, groups } = user;
  return { user: { linux: { uid, gid, supplementalGroups: groups } } };
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

function created(pod: Pod, container: Container): ContainerStatus {
  return waitingStatus(container, hasInitContainers(pod) ? "PodInitializing" : "ContainerCreating");
}

function withoutReport(
  pod: Pod,
  member: Member,
  old: ContainerStatus | undefined,
  { isLost, isEnding, nowMs }: ContainerSources,
): ContainerStatus {
  const before = created(pod, member.container);
  if (old === undefined) return before;
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
  return isEnding || !isRestartedAfter(pod, member, KILLED)
    ? { ...status, state: { terminated } }
    : { ...status, state: before.state ?? {}, lastState: { terminated } };
}

/**
 * As the API server can keep it: whole seconds, for anything finer would look like a change for ever,
 * and a message of the end no longer than the container's share.
 */
function kept(pod: Pod, { waiting, running, terminated }: ContainerState): ContainerState {
  if (running !== undefined) return { running: { startedAt: wholeSeconds(running.startedAt) } };
  if (terminated === undefined) return waiting === undefined ? {} : { waiting };
  const { message } = terminated;
  return {
    terminated: {
      ...terminated,
      ...(message === undefined ? {} : { message: startOf(message, messageMaxBytes(pod)) }),
      startedAt: wholeSeconds(terminated.startedAt),
      finishedAt: wholeSeconds(terminated.finishedAt),
    },
  };
}

function messageMaxBytes(pod: Pod): number {
  const containers = membersOf(pod).length + ephemeralOf(pod).length;
  return Math.floor(MESSAGES_MAX_BYTES / containers);
}

/** The first bytes of a text, whole characters only. */
function startOf(text: string, maxBytes: number): string {
  const bytes = new TextEncoder().encode(text);
  if (bytes.length <= maxBytes) return text;
  return new TextDecoder().decode(bytes.subarray(0, maxBytes), { stream: true });
}
