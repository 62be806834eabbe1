import { FksError } from "../errors.ts";
import type { Pod, PodStatus } from "../kube/pod.ts";
import { ephemeralOf, membersOf, statusesOf } from "./container-roles.ts";
import type { Sighting } from "./machine-view.ts";
import { isTerminal } from "./phase.ts";
import { endingOf, hasRun, type Step, type World } from "./plan.ts";
import {
  containerEvent,
  ephemeralEvent,
  failedEvent,
  imageChangedEvent,
  resizeInfeasibleEvent,
} from "./pod-events.ts";
import { memoryOf, type PodMemory } from "./pod-memory.ts";
import { type Ending, podStatusFor } from "./pod-status.ts";
import { lackFor } from "./resize.ts";
import { statusPatchFor } from "./status-patch.ts";
import type { ReconcileDeps, Turn } from "./steps/turn.ts";

/** A Machine mostly runs by then; until then `Pending` is what the API server says anyway. */
const FIRST_STATUS_MS = 1_000;
/** Events from before a restart that are told again, in case they were not. */
const RETELL_MS = 60_000;

const ON_THEIR_WAY: ReadonlySet<string> = new Set(["ContainerCreating", "PodInitializing"]);

export interface Reported {
  /** The Pod is no more, or its name is another's. */
  readonly isGone: boolean;
  /** The first status was kept back for this long. */
  readonly heldMs?: number;
}

/** Tells the API server what is, before `step` changes it. Writes only what differs. */
export async function reportStatus(
  { pods, teller }: ReconcileDeps,
  { world, watched, memory, place }: Turn,
  step: Step,
  signal: AbortSignal,
): Promise<Reported> {
  const { pod, machine, nowMs } = world;
  const ending = endingAt(world, step);
  const status = podStatusFor(pod, {
    ...(machine === undefined ? {} : machine),
    isLost: world.isProvenAbsent && hasRun(pod),
    ...(ending === undefined ? {} : { ending }),
    ...(step.do === "refuse" ? { refused: step.refused } : {}),
    hostIP: place.hostIP,
    nowMs,
  });
  if (ending?.why === "failed" && !isTerminal(pod.status?.phase)) {
    const { reason, message, event = message } = ending;
    teller.tell(pod, failedEvent(reason, event, nowMs));
  }
  // What may not have arrived is written again, over what the API server is known to have.
  const base = memory.sent?.isSure === false ? watched : pod;
  if (statusPatchFor(base, status) === undefined) return { isGone: false };

  const heldMs = memory.seenAtMs + FIRST_STATUS_MS - nowMs;
  if (heldMs > 0 && isUneventful(pod, status)) return { isGone: false, heldMs };
  const sent = { status, atMs: nowMs, over: watched.metadata.resourceVersion };
  memory.sent = { ...sent, isSure: false };
  try {
    await pods.patchStatus(base, status, signal);
  } catch (error) {
    if (FksError.is(error, "NotFound") || FksError.is(error, "Conflict")) return { isGone: true };
    throw error;
  }
  memory.sent = { ...sent, isSure: true };
  return { isGone: false };
}

function endingAt(world: World, step: Step): Ending | undefined {
  if (step.do !== "reject") return endingOf(world);
  // A kubelet says in the status alone that it was its own decision.
  const { reason, message: event } = step.rejection;
  return { why: "failed", reason, message: `Pod was rejected: ${event}`, event };
}

/** Tells the Events of this Machine that were not told yet. */
export function reportEvents(
  { protocol, teller, clock }: ReconcileDeps,
  pod: Pod,
  { machine, report }: Sighting,
  memory: PodMemory,
  startedAtMs: number,
): void {
  const own = memoryOf(memory, machine.id);
  const isFirst = own.toldSeq === undefined;
  for (const event of report?.events ?? []) {
    if (event.seq <= (own.toldSeq ?? 0)) continue;
    own.toldSeq = event.seq;
    const isOld = isFirst && Date.parse(event.at) < startedAtMs - RETELL_MS;
    if (!isOld) teller.tell(pod, containerEvent(pod, machine.id, event));
  }

  const configured = machine.config?.containers ?? [];
  const changed = membersOf(pod).filter(({ container: { name, image } }) =>
    configured.some((one) => one.name === name && one.image !== image),
  );
  if (changed.length > 0) {
    const names = changed.map(({ container }) => container.name);
    teller.tell(pod, imageChangedEvent(names, clock.now()));
  }
  const lack = lackFor(pod, machine.config?.guest);
  if (lack !== undefined) teller.tell(pod, resizeInfeasibleEvent(lack, clock.now()));
  const added =
    protocol === undefined ? ephemeralOf(pod).map(({ container }) => container.name) : [];
  if (added.length > 0) teller.tell(pod, ephemeralEvent(added, clock.now()));
}

/** The first word of a Pod whose containers are on their way: it can wait for a better one. */
function isUneventful(pod: Pod, status: PodStatus): boolean {
  if (pod.status?.startTime !== undefined || status.phase !== "Pending") return false;
  return statusesOf({ ...pod, status }).every(({ state }) =>
    ON_THEIR_WAY.has(state?.waiting?.reason ?? ""),
  );
}
